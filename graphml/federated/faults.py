"""What can be wrong with a client's answer."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from graphml.federated.message import Message


class Fault(NamedTuple):
    """A client that did not answer as it should; it is left out of the round.

    Attributes:
        client: Number of the client.
        round: Number of the round.
        reason: What happened.
    """

    client: int
    round: int
    reason: str

    def __str__(self) -> str:
        return f"client {self.client} in round {self.round}: {self.reason}"


class TooFewClientsError(RuntimeError):
    """Fewer clients answered than the federation needs; the message names the faults of the others."""


def wrong_arrays(reply: object, expected: Mapping[str, Tensor]) -> str | None:
    """Compare an answer with what was asked for.

    Args:
        reply: The answer.
        expected: Arrays that it must have, and no others, as examples of shape and type.

    Returns:
        The first thing that is wrong; None if nothing is.
    """
    return wrong_shapes(reply, expected) or (_wrong_weight(reply) if isinstance(reply, Message) else None)


def wrong_shapes(reply: object, expected: Mapping[str, Tensor]) -> str | None:
    """Compare the arrays of an answer with those that were asked for, as `wrong_arrays` does, and nothing else.

    Args:
        reply: The answer.
        expected: Arrays that it must have, and no others, as examples of shape and type.

    Returns:
        The first thing that is wrong; None if nothing is.
    """
    if not isinstance(reply, Message):
        return f"answered with {type(reply).__name__}, no message"
    missing, unknown = sorted(expected.keys() - reply.arrays.keys()), sorted(reply.arrays.keys() - expected.keys())
    if missing or unknown:
        return f"lacks {_some(missing)}" if missing else f"sent {_some(unknown)}, which nobody asked for"
    for name, like in expected.items():
        array = reply.arrays[name]
        if array.shape != like.shape or array.dtype != like.dtype:
            got = f"{list(array.shape)} of {array.dtype}"
            return f"sent {name} of shape {got}, expected {list(like.shape)} of {like.dtype}"
    return not_finite(reply)


def not_finite(reply: Message) -> str | None:
    """Say which number of an answer is NaN or infinite; None if none is.

    Args:
        reply: The answer.
    """
    for name, array in reply.arrays.items():
        if array.is_floating_point() and not _is_finite(array):
            return f"sent NaN or infinity in {name}"
    for name, value in reply.metrics.items():
        if not math.isfinite(value):
            return f"sent {value} for {name}"
    return None


def _is_finite(array: Tensor) -> bool:
    # A sum needs no buffers, and NaN or infinity spoil it. Where large finite numbers make it overflow, look at each.
    return math.isfinite(array.sum().item()) or bool(array.isfinite().all())


def _wrong_weight(reply: Message) -> str | None:
    examples = reply.metrics.get("num_examples", -1.0)
    return None if examples >= 0 else f"sent num_examples {reply.metrics.get('num_examples')}, expected at least 0"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
