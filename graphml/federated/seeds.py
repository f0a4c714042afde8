"""Seeds of everything that is drawn in a federation."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch


def derived_seed(*key: int) -> int:
    """Seed of one purpose, from a key such as (seed, round, client): equal keys, equal seeds; others independent.

    Args:
        *key: Integers above -1000; preparation rounds and the server's own client have negative numbers.
    """
    return int(np.random.SeedSequence([part + 1000 for part in key]).generate_state(1, np.uint64)[0] >> 1)


@contextlib.contextmanager
def forked_random_state(seed: int) -> Iterator[torch.Generator]:
    """Draw from a state of one's own: what others drew before, or draw after, neither matters nor changes.

    Args:
        seed: Seed of the state.

    Yields:
        A generator with this seed; within the block torch's global stream has it too, for dropout.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds all devices, which takes 20 times as long
        yield torch.Generator().manual_seed(seed)
