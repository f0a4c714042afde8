"""The relational convolution: against PyG's RGCNConv, against dense matrices, and weights that reach the output."""

import pytest
import torch
from torch_geometric.nn import RGCNConv

from graphml.nn import RelationConv, RelationNorm

NODES, RELATIONS = 7, 3


@pytest.fixture
def graph() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(NODES, (2, 25), generator=generator)
    return edge_index, torch.randint(RELATIONS, (25,), generator=generator)


@pytest.mark.parametrize("num_bases", [None, 2])
def test_without_weights_it_is_rgcn(graph, num_bases) -> None:
    edge_index, relation = graph
    ours, theirs = RelationConv(4, 5, RELATIONS, num_bases), RGCNConv(4, 5, RELATIONS, num_bases)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
        theirs.root.copy_(ours.root)
        if num_bases:
            theirs.comp.copy_(ours.coefficients)
    x = torch.randn(NODES, 4)
    torch.testing.assert_close(ours(x, edge_index, relation), theirs(x, edge_index, relation))


def dense(conv: RelationConv, x: torch.Tensor, edge_index: torch.Tensor, relation: torch.Tensor, weight: torch.Tensor):
    out = x @ conv.root + conv.bias
    for r in range(RELATIONS):
        A = torch.zeros(NODES, NODES, dtype=x.dtype)
        for (source, target), kind, value in zip(edge_index.T.tolist(), relation.tolist(), weight, strict=True):
            if kind == r:
                A[target, source] += value
        out = out + A / A.sum(1, keepdim=True).clamp(min=1e-30) @ x @ conv.weight[r]
    return out


def test_weights_reach_the_output_and_get_a_gradient(graph) -> None:
    edge_index, relation = graph
    conv = RelationConv(4, 5, RELATIONS).double()
    x, weight = torch.randn(NODES, 4).double(), torch.rand(25, dtype=torch.float64, requires_grad=True)
    out = conv(x, edge_index, relation, weight)
    torch.testing.assert_close(out, dense(conv, x, edge_index, relation, weight))
    assert not torch.allclose(out, conv(x, edge_index, relation))
    out.square().sum().backward()
    assert weight.grad is not None
    alone = torch.bincount(edge_index[1] * RELATIONS + relation)[edge_index[1] * RELATIONS + relation] == 1
    assert (weight.grad[~alone].abs() > 1e-9).all()  # the only edge of its relation has the weight 1 whatever it is


def test_gradients_are_those_of_finite_differences(graph) -> None:
    edge_index, relation = graph
    conv = RelationConv(2, 3, RELATIONS).double()
    x = torch.randn(NODES, 2, dtype=torch.float64, requires_grad=True)
    weight = (torch.rand(25, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: conv(x, edge_index, relation, w), (x, weight))


def test_what_each_relation_brings_adds_up_and_is_zero_without_edges(graph) -> None:
    edge_index, relation = graph
    conv, x = RelationConv(4, 5, RELATIONS + 1), torch.randn(NODES, 4)
    parts = conv.per_relation(x, edge_index, relation)
    assert parts.shape == (NODES, RELATIONS + 1, 5)
    assert (parts[:, RELATIONS] == 0).all()
    out = conv(x, edge_index, relation)
    torch.testing.assert_close(parts.sum(1) + x @ conv.root + conv.bias, out)
    some = torch.tensor([4, 0, 4])
    torch.testing.assert_close(conv(x, edge_index, relation, nodes=some), out[some])


def test_edges_of_weight_zero_are_as_if_they_were_not_there(graph) -> None:
    edge_index, relation = graph
    conv, x, keep = RelationConv(4, 5, RELATIONS), torch.randn(NODES, 4), torch.arange(25) % 3 > 0
    expected = conv(x, edge_index[:, keep], relation[keep])
    torch.testing.assert_close(conv(x, edge_index, relation, keep.float()), expected)


def test_the_norm_comes_before_the_weights_and_reset_forgets_it(graph) -> None:
    edge_index, relation = graph
    plain, normed = (RelationConv(4, 4, RELATIONS, root=False, bias=False, norm=norm) for norm in (False, True))
    with torch.no_grad():
        for conv in (plain, normed):
            conv.weight.copy_(torch.eye(4).expand(RELATIONS, 4, 4))
    x = torch.randn(NODES, 4)
    assert normed.norm is not None
    there = torch.zeros(NODES, RELATIONS, dtype=torch.bool)
    there[edge_index[1], relation] = True
    expected = RelationNorm(RELATIONS, 4)(plain.per_relation(x, edge_index, relation), there)
    torch.testing.assert_close(normed.per_relation(x, edge_index, relation), expected)
    normed.reset_parameters()
    assert (normed.norm.running_mean == 0).all()


def test_wrong_relations_and_sizes_are_refused(graph) -> None:
    edge_index, relation = graph
    conv, x = RelationConv(4, 5, 2), torch.randn(NODES, 4)
    with pytest.raises(ValueError, match="relation: expected a number from 0 to 1 for each of the 25 edges"):
        conv(x, edge_index, relation)
    with pytest.raises(ValueError, match="for each of the 25 edges"):
        conv(x, edge_index, relation[:3])
    with pytest.raises(ValueError, match="num_relations, num_bases: expected at least 1, got 0, None"):
        RelationConv(4, 5, 0)


def test_reset_draws_anew_and_repr_says_the_sizes() -> None:
    conv = RelationConv(4, 5, 2, norm=True)
    before = conv.weight.clone()
    conv.reset_parameters()
    assert not torch.equal(before, conv.weight)
    assert repr(conv) == "RelationConv(4, 5, num_relations=2)"
