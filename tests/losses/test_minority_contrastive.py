"""The class-balanced contrastive loss: against its formula in loops, and what balance means."""

import pytest
import torch

from graphml.losses import MinorityContrastiveLoss, minority_contrastive_loss


def by_loops(z: torch.Tensor, labels: torch.Tensor, tau: float, gamma: float) -> torch.Tensor:
    z = torch.nn.functional.normalize(z, dim=1)
    members = {c: (labels == c).nonzero().flatten().tolist() for c in set(labels.tolist()) if c >= 0}
    counted = [c for c in members if len(members[c]) > 1]
    total = z.new_zeros(())
    for c in counted:
        for i in members[c]:
            below = sum(
                sum(torch.exp(z[i] @ z[j] / tau) for j in group if j != i) / len(group) for group in members.values()
            )
            for p in members[c]:
                if p != i:
                    q = torch.exp(z[i] @ z[p] / tau) / len(members[c]) / below
                    total = total - (1 - q) ** gamma * q.log() / (len(members[c]) - 1) / len(members[c])
    return total / len(counted)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_equals_the_formula(gamma) -> None:
    z, labels = torch.randn(12, 4, dtype=torch.float64), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, -1, 2, 3])
    torch.testing.assert_close(
        minority_contrastive_loss(z, labels, 0.5, gamma), by_loops(z, labels, 0.5, gamma), rtol=1e-10, atol=1e-10
    )


def test_gradients_are_those_of_finite_differences() -> None:
    z = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 1, 1, 2, -1])
    assert torch.autograd.gradcheck(lambda z: minority_contrastive_loss(z, labels, 0.3, 1.0), z)


def test_members_that_repeat_do_not_change_a_frequent_classs_pull() -> None:
    """Twice as many members of a class far away: with averages in the denominator they repel a rare one no more."""
    rare = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
    few = torch.tensor([[-1.0, 0.2]]).expand(4, 2)
    many = torch.tensor([[-1.0, 0.2]]).expand(40, 2)

    def gradient(others: torch.Tensor) -> torch.Tensor:
        z = rare.clone().requires_grad_()
        labels = torch.tensor([1, 1] + [0] * len(others))
        minority_contrastive_loss(torch.cat([z, others]), labels, 0.5).backward()
        assert z.grad is not None
        return z.grad

    torch.testing.assert_close(gradient(few), gradient(many), rtol=0.2, atol=0.02)


@pytest.mark.parametrize("labels", [[-1, -1, -1], [0, 1, 2], [-1, 0, 1]])
def test_no_pair_costs_nothing(labels) -> None:
    z = torch.randn(3, 2, requires_grad=True)
    value = minority_contrastive_loss(z, torch.tensor(labels))
    value.backward()
    assert float(value) == 0
    assert z.grad is not None
    assert (z.grad == 0).all()


def test_wrong_shapes_and_options_are_refused() -> None:
    z, labels = torch.randn(3, 2), torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match=r"z, labels: expected \[N, d\] and \[N\], got \[3, 2\], \[2\]"):
        minority_contrastive_loss(z, labels[:2])
    with pytest.raises(ValueError, match=r"tau, gamma: expected > 0 and >= 0, got 0, 0\.0"):
        minority_contrastive_loss(z, labels, tau=0)
    with pytest.raises(ValueError, match=r"augment: expected a share in \[0, 1\], got 2"):
        MinorityContrastiveLoss(augment=2)


def test_the_class_augments_where_asked_for() -> None:
    z, labels = torch.randn(12, 4), torch.tensor([0] * 9 + [1] * 3)
    plain, filled = MinorityContrastiveLoss(), MinorityContrastiveLoss(augment=1.0)
    torch.testing.assert_close(plain(z, labels, torch.Generator()), minority_contrastive_loss(z, labels))
    assert not torch.isclose(filled(z, labels, torch.Generator().manual_seed(0)), plain(z, labels, torch.Generator()))
    assert repr(filled) == "MinorityContrastiveLoss(tau=0.2, gamma=0.0, augment=1.0)"


def test_a_root_as_focal_exponent_has_finite_gradients() -> None:
    z = torch.randn(2, 3, requires_grad=True)
    minority_contrastive_loss(z, torch.tensor([0, 0]), gamma=0.5).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
