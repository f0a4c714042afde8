"""Normalisation of each relation's messages."""

import torch

from graphml.nn import RelationNorm


def test_each_relation_gets_mean_0_and_variance_1_and_keeps_the_shares_of_its_features() -> None:
    messages = torch.randn(50, 3, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0]) * torch.tensor([[0.1], [1.0], [10.0]]) + 5.0
    out = RelationNorm(3, 4)(messages)
    torch.testing.assert_close(out.mean(0), torch.zeros(3, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.square().mean((0, 2)), torch.ones(3), atol=1e-2, rtol=0)
    given, found = messages.std(0), out.std(0)
    torch.testing.assert_close(found / found[:, :1], given / given[:, :1], rtol=1e-3, atol=0)


def test_evaluation_and_single_nodes_take_the_running_averages() -> None:
    layer = RelationNorm(2, 3, momentum=1.0)
    messages = torch.randn(40, 2, 3) * 3 + 1
    trained = layer(messages)
    assert torch.equal(layer(messages[:1]), layer.eval()(messages[:1]))
    torch.testing.assert_close(layer(messages), trained, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer(messages)[:5], layer(messages[:5]))
    layer.reset_parameters()
    torch.testing.assert_close(layer(messages), messages, rtol=1e-4, atol=1e-4)
    assert repr(layer) == "RelationNorm(2, 3)"


def test_gradients_are_those_of_finite_differences() -> None:
    layer = RelationNorm(2, 3).double()
    messages = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, messages)
