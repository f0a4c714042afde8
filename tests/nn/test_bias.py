"""The bias that stands alone."""

import torch

from graphml.nn import Bias


def test_it_adds_its_row():
    layer = Bias(3)
    assert torch.equal(layer(torch.ones(2, 3)), torch.ones(2, 3))
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(layer(torch.ones(2, 3)), torch.tensor([[2.0, 3.0, 4.0]] * 2))
