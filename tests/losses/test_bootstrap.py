import pytest
import torch

from graphml.losses import bootstrap_loss


def test_value_by_the_definition_of_the_cosine():
    prediction, target = torch.randn(2, 7, 4, dtype=torch.float64).unbind()
    cosine = [(p @ t / (p.norm() * t.norm())).item() for p, t in zip(prediction, target, strict=True)]
    assert bootstrap_loss(prediction, target).item() == pytest.approx(1 - sum(cosine) / 7)


def test_ends_of_the_range():
    z = torch.randn(5, 3)
    assert bootstrap_loss(z, 2 * z).item() == pytest.approx(0, abs=1e-6)
    assert bootstrap_loss(z, -z).item() == pytest.approx(2, abs=1e-6)


def test_gradient_goes_to_the_prediction_alone():
    prediction, target = torch.randn(2, 5, 3, dtype=torch.float64).requires_grad_().unbind()
    target.retain_grad()
    bootstrap_loss(prediction, target).backward()
    assert target.grad is None
    fixed = target.detach()
    assert torch.autograd.gradcheck(lambda p: bootstrap_loss(p, fixed), (prediction.detach().requires_grad_(),))
