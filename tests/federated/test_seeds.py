"""Seeds by purpose, and states of one's own."""

import itertools

import torch

from graphml.federated.seeds import derived_seed, forked_random_state


def test_seeds_differ_by_every_part_of_the_key():
    keys = list(itertools.product((0, 1), (-1, 0, 1, 2), (-3, -2, 0, 1, 500)))
    assert len({derived_seed(*key) for key in keys}) == len(keys)
    assert derived_seed(1, 2, 3) == derived_seed(1, 2, 3)
    assert all(0 <= derived_seed(*key) < 2**63 for key in keys)


def test_a_forked_state_neither_takes_nor_leaves_anything():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with forked_random_state(1) as generator:
        first = torch.rand(2), torch.rand(2, generator=generator)
    assert torch.equal(torch.rand(3), expected)
    with forked_random_state(1) as generator:
        again = torch.rand(2), torch.rand(2, generator=generator)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
