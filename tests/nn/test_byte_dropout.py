"""Dropout by bytes."""

import pytest
import torch
from torch import nn

from graphml.nn import ByteDropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_it_drops_that_share_and_keeps_the_mean(p) -> None:
    layer, x = ByteDropout(p), torch.ones(1000, 301)
    out = layer(x)
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=0.01)
    assert float(out.mean()) == pytest.approx(1, abs=0.01)
    assert out.unique().numel() == 2


def test_values_are_dropped_apart_from_each_other() -> None:
    kept = (ByteDropout(0.5)(torch.ones(20000, 16)) != 0).double()  # two words of eight bytes a row
    correlation = torch.corrcoef(kept.T) - torch.eye(16)
    assert correlation.abs().max() < 0.05


def test_gradients_pass_where_values_do() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    out = ByteDropout(0.5)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(out == 0, 0.0, 2.0))


def test_evaluation_and_p_of_zero_change_nothing_and_the_seed_decides() -> None:
    x = torch.randn(9, 5)
    assert ByteDropout(0.5).eval()(x) is x
    assert ByteDropout(0.0)(x) is x
    layer, drawn = ByteDropout(0.5), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(layer(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert isinstance(layer, nn.Dropout)


def test_a_probability_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"p: expected a probability from 0 to 0\.998, got 0\.999"):
        ByteDropout(0.999)
