"""Class-dependent augmentation."""

import pytest
import torch

from graphml.losses import augment_minority


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_rare_classes_are_filled_up_with_points_between_their_members() -> None:
    z, labels = torch.randn(13, 3), torch.tensor([0] * 8 + [1, 1] + [2] + [-1, -1])
    more, names = augment_minority(z, labels, 0.75, generator())
    assert torch.equal(more[:13], z)
    assert torch.equal(names[:13], labels)
    assert names[13:].tolist() == [1] * 4  # up to 6 = 0.75 x 8; a single member has nobody to move to
    first, second = z[8], z[9]
    for row in more[13:]:
        place = (row - first) @ (second - first) / (second - first).square().sum()
        assert 0 <= place <= 1
        torch.testing.assert_close(row, first + place * (second - first))


def test_gradients_reach_both_ends() -> None:
    z = torch.randn(6, 2, requires_grad=True)
    augment_minority(z, torch.tensor([0, 0, 0, 0, 1, 1]), 1.0, generator())[0][6:].sum().backward()
    assert z.grad is not None
    assert (z.grad[:4] == 0).all()
    assert (z.grad[4:] > 0).all()


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [-1, -1, -1, -1]])
def test_nothing_to_fill_leaves_all_as_it_is(labels) -> None:
    z, given = torch.randn(4, 2), torch.tensor(labels)
    assert augment_minority(z, given, 1.0, generator()) == (z, given)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share: expected \[0, 1\], got 1.5"):
        augment_minority(torch.randn(2, 2), torch.tensor([0, 0]), 1.5, generator())
