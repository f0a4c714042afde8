"""A convolution that hears neighbours through a few numbers: what it starts as, and what reaches it."""

import pytest
import torch

from graphml.nn import BottleneckConv

EDGES = torch.tensor([[0, 1, 2, 1, 2], [0, 1, 2, 0, 0]])
RELATION = torch.tensor([0, 0, 0, 1, 2])


def test_it_starts_as_the_node_alone() -> None:
    conv, x = BottleneckConv(4, 8, 3, bottleneck=2).eval(), torch.randn(3, 4)
    out = conv.per_relation(x, EDGES, RELATION)
    value, gate = conv.own(x).chunk(2, dim=1)
    torch.testing.assert_close(out[:, 0], value.tanh() * gate.sigmoid())
    assert out.shape == (3, 3, 8)
    assert not out[:, 1:].any()


def test_neighbours_speak_through_the_bottleneck() -> None:
    conv, x = BottleneckConv(4, 8, 3, bottleneck=2).eval(), torch.randn(3, 4)
    torch.nn.init.normal_(conv.conv.weight)
    out = conv.per_relation(x, EDGES, RELATION)
    value, gate = conv.own(x).chunk(2, dim=1)
    said = conv.view(value.tanh() * gate.sigmoid()).tanh()
    torch.testing.assert_close(out[0, 1], said[1] @ conv.conv.weight[1])
    torch.testing.assert_close(out[0, 2], said[2] @ conv.conv.weight[2])
    assert not out[1:, 1:].any()


def test_edge_weights_and_gradients_pass() -> None:
    conv, x = BottleneckConv(4, 8, 2, bottleneck=2).eval(), torch.randn(3, 4)
    torch.nn.init.normal_(conv.conv.weight)
    edges, relation = torch.tensor([[1, 2], [0, 0]]), torch.tensor([1, 1])
    weight = torch.tensor([1.0, 3.0], requires_grad=True)
    conv.per_relation(x, edges, relation, weight)[0, 1].sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().min() > 0
    assert conv.own.weight.grad is not None
    assert conv.own.weight.grad.any()


def test_the_relations_start_to_learn_from_zero() -> None:
    conv = BottleneckConv(4, 8, 3, bottleneck=2)
    torch.nn.init.ones_(conv.conv.weight)
    conv.reset_parameters()
    conv.eval().per_relation(torch.randn(3, 4), EDGES, RELATION).sum().backward()
    assert not conv.conv.weight.any()
    assert conv.conv.weight.grad is not None
    assert conv.conv.weight.grad[1:].any()


def test_a_bottleneck_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="bottleneck: expected at least 1, got 0"):
        BottleneckConv(4, 8, 3, bottleneck=0)
