import pytest
import torch

from graphml.ops import corrupt_triples

TRIPLES = torch.tensor([[0, 5, 1], [2, 6, 3]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_head_or_tail_is_replaced_and_the_relation_stays():
    out = corrupt_triples(TRIPLES, 50, 4000, seeded())
    assert out.shape == (2, 4000, 3)
    changed = out != TRIPLES[:, None]
    assert not changed[..., 1].any()
    assert changed.sum(2).max() == 1
    heads, tails = changed[..., 0].double().mean(), changed[..., 2].double().mean()
    assert (heads, tails) == (pytest.approx(0.49, abs=0.02), pytest.approx(0.49, abs=0.02))  # half, less 1 of 50
    drawn = out[..., 0][changed[..., 0]].bincount(minlength=50)
    assert drawn.min() > 0.3 * drawn.double().mean()


def test_the_generator_alone_decides():
    first = corrupt_triples(TRIPLES, 50, 10, seeded())
    torch.rand(3)
    assert torch.equal(corrupt_triples(TRIPLES, 50, 10, seeded()), first)
    assert not torch.equal(corrupt_triples(TRIPLES, 50, 10, seeded(1)), first)


def test_no_triples_give_none():
    assert corrupt_triples(TRIPLES[:0], 50, 10, seeded()).shape == (0, 10, 3)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((TRIPLES[:, :2], 5, 1), r"triples: expected \[B, 3\], got \[2, 2\]"),
        ((TRIPLES, 0, 1), "num_entities: expected an integer >= 1, got 0"),
        ((TRIPLES, 5, 0), "num_negatives: expected an integer >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        corrupt_triples(*args, seeded())
