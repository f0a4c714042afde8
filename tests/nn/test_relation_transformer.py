"""The Transformer over relations."""

import pytest
import torch

from graphml.nn import RelationTransformer


def test_pooling_weights_add_up_and_absent_relations_have_none() -> None:
    layer = RelationTransformer(8, 4, num_layers=2, heads=2).eval()
    torch.nn.init.normal_(layer.query.weight)
    there = torch.tensor([[True, True, False, True], [True, False, False, False]])
    out, attention = layer(torch.randn(2, 4, 8), there)
    assert out.shape == (2, 8)
    torch.testing.assert_close(attention.sum(1), torch.ones(2))
    assert (attention[~there] == 0).all()
    assert attention[1, 0] == 1


def test_equal_weights_are_a_plain_sum_of_the_relations_that_are_there() -> None:
    layer, tokens = RelationTransformer(8, 3), torch.randn(4, 3, 8)
    torch.testing.assert_close(layer(tokens)[0], tokens.sum(1))
    there = torch.tensor([[True, False, True]] * 4)
    torch.testing.assert_close(layer(tokens, there)[0], tokens[:, [0, 2]].sum(1))


@pytest.mark.parametrize("training", [True, False])
def test_an_absent_relation_has_no_influence(training) -> None:
    layer = RelationTransformer(8, 3, heads=2, dropout=0.0).train(training)
    tokens, there = torch.randn(4, 3, 8), torch.tensor([[True, True, False]] * 4)
    changed = tokens.clone()
    changed[:, 2] = 100.0
    torch.testing.assert_close(layer(tokens, there)[0], layer(changed, there)[0])


def test_relations_see_each_other_and_nodes_do_not() -> None:
    layer = RelationTransformer(8, 3, heads=2, dropout=0.0)
    torch.nn.init.normal_(layer.query.weight)  # at the start the weights are equal whatever the relations say
    tokens = torch.randn(4, 3, 8, requires_grad=True)
    layer(tokens)[0][0].square().sum().backward()
    assert tokens.grad is not None
    assert (tokens.grad[0].abs().sum(1) > 0).all()
    assert (tokens.grad[1:] == 0).all()


def test_relations_are_told_apart() -> None:
    layer = RelationTransformer(8, 2, heads=2).eval()
    torch.nn.init.normal_(layer.relation)
    torch.nn.init.normal_(layer.query.weight)
    tokens = torch.randn(1, 2, 8)
    assert not torch.allclose(layer(tokens)[0], layer(tokens.flip(1))[0])


def test_wrong_sizes_are_refused_and_reset_makes_the_pool_a_mean() -> None:
    with pytest.raises(ValueError, match="width: expected a multiple of the 3 heads, got 32"):
        RelationTransformer(8, 2, heads=3)
    layer = RelationTransformer(8, 2, heads=2)
    with pytest.raises(ValueError, match=r"tokens: expected shape \[N, 2, 8\], got \[5, 3, 8\]"):
        layer(torch.randn(5, 3, 8))
    torch.nn.init.normal_(layer.query.weight)
    layer.reset_parameters()
    assert layer(torch.randn(3, 2, 8))[1].tolist() == [[0.5, 0.5]] * 3
    assert repr(layer) == "RelationTransformer(8, 2, num_layers=1)"
