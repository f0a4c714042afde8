import math

import pytest
import torch
from sklearn.metrics import log_loss

from graphml.losses import local_global_loss


def test_value_is_scikit_learns_log_loss():
    positive, negative = torch.randn(7, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    probability = torch.sigmoid(torch.cat([positive, negative]))
    assert local_global_loss(positive, negative).item() == pytest.approx(log_loss([1] * 7 + [0] * 5, probability))


def test_log_two_at_chance_and_near_zero_when_told_apart():
    assert local_global_loss(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(math.log(2))
    assert local_global_loss(torch.full((3,), 50.0), torch.full((3,), -50.0)).item() == pytest.approx(0)


def test_large_logits_stay_finite():
    positive, negative = torch.full((2,), -1e4, requires_grad=True), torch.full((2,), 1e4, requires_grad=True)
    loss = local_global_loss(positive, negative)
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert positive.grad.isfinite().all()


def test_gradients_by_finite_differences():
    logits = [torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(local_global_loss, logits)
