"""Matrices of relations: against the bases of PyG's relational convolution."""

import torch
from torch_geometric.nn import RGCNConv

from graphml.models.relation_weights import RelationWeights


def test_many_relations_share_bases_as_in_pyg() -> None:
    weights = RelationWeights(7, 3, 4, num_bases=2)
    conv = RGCNConv(3, 4, 7, num_bases=2, aggr="add", root_weight=False, bias=False)
    conv.weight.data, conv.comp.data = weights.bases.data, weights.coefficients.data
    edges, relation = torch.randint(0, 9, (2, 30)), torch.randint(0, 7, (30,))
    x = torch.randn(9, 3)
    messages = torch.einsum("ei,eio->eo", x[edges[0]], weights()[relation])
    torch.testing.assert_close(torch.zeros(9, 4).index_add(0, edges[1], messages), conv(x, edges, relation))


def test_few_relations_have_a_matrix_each() -> None:
    weights = RelationWeights(8, 3, 4)
    assert [name for name, _ in weights.named_parameters()] == ["bases"]
    assert weights().shape == (8, 3, 4)
