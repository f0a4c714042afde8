"""Centring, masking and a linear map in one: against the three steps, and through the statistics."""

import pytest
import torch
from torch import Tensor

from graphml.ops import centered_product

GROUPS, ROWS, CHANNELS = 3, 6, 4


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    there = torch.rand(GROUPS, ROWS) < 0.7
    there[:, :2] = True
    there[2, 1:] = False  # too few for statistics of their own
    x = torch.randn(GROUPS, ROWS, CHANNELS, dtype=torch.float64) * there.unsqueeze(2)
    weight = torch.randn(GROUPS, CHANNELS, 2, dtype=torch.float64)
    return x, weight, there


def statistics(x: Tensor, there: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    count = there.sum(1)
    center = x.sum(1) / count.unsqueeze(1)
    variance = (x.square().sum(1) / count.unsqueeze(1) - center.square()).mean(1)
    own = count > 1
    past = torch.full_like(center, 0.3), torch.full_like(variance, 2.0)
    center, variance = torch.where(own.unsqueeze(1), center, past[0]), torch.where(own, variance, past[1])
    return center, (variance + 1e-5).rsqrt(), own / count


@pytest.mark.parametrize("masked", [False, True])
def test_values_and_gradients_are_those_of_the_steps(masked: bool) -> None:
    x, weight, there = inputs()
    keep = (torch.rand(ROWS, GROUPS, CHANNELS) < 0.5).transpose(0, 1) if masked else None
    grad = torch.randn(GROUPS, ROWS, 2, dtype=torch.float64)

    def steps(x: Tensor, weight: Tensor) -> Tensor:
        center, scale, _ = statistics(x, there)
        out = (x - center.unsqueeze(1)) * scale[:, None, None] * there.unsqueeze(2)
        return (out if keep is None else out * keep) @ weight

    def ours(x: Tensor, weight: Tensor) -> Tensor:
        return centered_product(x, weight, *statistics(x.detach(), there), there, keep)

    found = []
    for function in (steps, ours):
        leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
        out = function(*leaves)
        found.append((out, *torch.autograd.grad(out, leaves, grad)))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)


def test_features_without_gradient_get_none() -> None:
    x, weight, there = inputs()
    centered_product(x, weight.requires_grad_(), *statistics(x, there), there).sum().backward()
    assert x.grad is None
    assert weight.grad is not None
