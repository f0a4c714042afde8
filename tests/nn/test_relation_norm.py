"""Normalisation of each relation's messages."""

import torch

from graphml.nn import RelationNorm

ALL = torch.ones(50, 3, dtype=torch.bool)


def test_each_relation_gets_mean_0_and_variance_1_and_keeps_the_shares_of_its_features() -> None:
    messages = torch.randn(50, 3, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0]) * torch.tensor([[0.1], [1.0], [10.0]]) + 5.0
    out = RelationNorm(3, 4)(messages, ALL)
    torch.testing.assert_close(out.mean(0), torch.zeros(3, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.square().mean((0, 2)), torch.ones(3), atol=1e-2, rtol=0)
    given, found = messages.std(0), out.std(0)
    torch.testing.assert_close(found / found[:, :1], given / given[:, :1], rtol=1e-2, atol=0)


def test_nodes_without_the_relation_count_nowhere_and_stay_0() -> None:
    there = torch.rand(50, 3) < 0.4
    messages = (3 * torch.randn(50, 3, 4) + 1) * there.unsqueeze(2)
    layer = RelationNorm(3, 4, momentum=1.0)
    out = layer(messages, there)
    assert (out[~there] == 0).all()
    for relation in range(3):
        alone = messages[there[:, relation], relation].unsqueeze(1)
        expected = RelationNorm(1, 4)(alone, torch.ones(len(alone), 1, dtype=torch.bool))
        torch.testing.assert_close(out[there[:, relation], relation], expected.squeeze(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.eval()(messages, there), out, rtol=1e-3, atol=1e-3)


def test_a_relation_that_training_never_shows_keeps_its_start() -> None:
    layer, there = RelationNorm(3, 4), ALL.clone()
    there[:, 1] = False
    for _ in range(200):
        layer(torch.randn(50, 3, 4) * there.unsqueeze(2), there)
    assert layer.running_var[1] == 1
    messages = torch.randn(50, 3, 4)
    torch.testing.assert_close(layer.eval()(messages, ALL)[:, 1], messages[:, 1], rtol=1e-4, atol=1e-4)


def test_a_single_node_takes_the_running_averages() -> None:
    layer = RelationNorm(2, 3, momentum=1.0)
    layer(torch.randn(40, 2, 3) * 3 + 1, ALL[:40, :2])
    one = torch.randn(1, 2, 3)
    torch.testing.assert_close(layer(one, ALL[:1, :2]), layer.eval()(one, ALL[:1, :2]))
    layer.reset_parameters()
    torch.testing.assert_close(layer(one, ALL[:1, :2]), one, rtol=1e-4, atol=1e-4)
    assert repr(layer) == "RelationNorm(2, 3)"


def test_untracked_passes_leave_the_running_averages() -> None:
    layer, messages = RelationNorm(3, 4), torch.randn(50, 3, 4) + 7
    with layer.untracked():
        torch.testing.assert_close(layer(messages, ALL).mean(0), torch.zeros(3, 4), atol=1e-4, rtol=0)
    assert (layer.running_mean == 0).all()
    layer(messages, ALL)
    assert (layer.running_mean != 0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    layer, there = RelationNorm(2, 3).double(), torch.tensor([[True, False]] * 2 + [[True, True]] * 3)
    messages = (torch.randn(5, 2, 3, dtype=torch.float64) * there.unsqueeze(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: layer(m * there.unsqueeze(2), there), messages)
