"""M3Net: its hypergraph convolution against PyG's and a dense formula, its frequency filter against both filters."""

import torch
from torch_geometric.nn import HypergraphConv

from graphml.models.m3net import FrequencyConv, HyperedgeConv
from graphml.ops import adjacency_pattern, modality_edges, modality_hyperedges, symmetric_normalize

LENGTHS = torch.tensor([3, 1, 4])
INCIDENCE = modality_hyperedges(LENGTHS, 2)


def hyperedge_conv() -> HyperedgeConv:
    layer = HyperedgeConv(5, 2).double()
    torch.nn.init.normal_(layer.strength)
    return layer


def test_equal_weights_give_the_convolution_of_pyg() -> None:
    layer, conv = hyperedge_conv(), HypergraphConv(5, 5, bias=False).double()
    torch.nn.init.zeros_(layer.membership.weight)
    torch.nn.init.zeros_(layer.strength)
    torch.nn.init.zeros_(layer.lin.bias)
    conv.lin.weight.data = layer.lin.weight.data
    x = torch.randn(16, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x, INCIDENCE), conv(x, INCIDENCE.edge_index))


def test_weighted_convolution_equals_the_dense_formula() -> None:
    layer, x = hyperedge_conv(), torch.randn(16, 5, dtype=torch.float64)
    (node, hyperedge), kind = INCIDENCE.edge_index, INCIDENCE.relation
    member = torch.zeros(16, 14, dtype=torch.float64)
    member[node, hyperedge] = layer.membership(x).exp()[node, kind]
    strength = layer.strength.exp()[torch.tensor([0] * 8 + [1] * 3 + [2] * 3)]
    back = (member > 0) * strength
    gathered = (member / member.sum(0)).t() @ layer.lin(x)
    torch.testing.assert_close(layer(x, INCIDENCE), back / back.sum(1, keepdim=True) @ gathered)


def test_weights_of_nodes_and_hyperedges_reach_the_result() -> None:
    layer, x = hyperedge_conv(), torch.randn(16, 5, dtype=torch.float64)
    before = layer(x, INCIDENCE)
    for parameter in (layer.strength, layer.membership.weight):
        with torch.no_grad():
            parameter.mul_(-1)
        after = layer(x, INCIDENCE)
        assert not torch.allclose(before, after)
        before = after


def test_the_filter_mixes_low_and_high_pass_edge_by_edge() -> None:
    layer, x = FrequencyConv(5).double(), torch.randn(16, 5, dtype=torch.float64)
    edges = modality_edges(LENGTHS, 2, loops=False).edge_index
    norm = symmetric_normalize(edges, torch.ones(edges.size(1), dtype=torch.float64), 16)
    pattern = adjacency_pattern(edges, 16)
    weight = layer.gate.weight.reshape(-1)
    pairs = torch.cat([x[:, None].expand(16, 16, 5), x[None].expand(16, 16, 5)], dim=2)
    low = (torch.tanh(pairs @ weight + layer.gate.bias.sum()) + 1) / 2  # and high = 1 - low
    adjacency = torch.zeros(16, 16, dtype=torch.float64).index_put((edges[1], edges[0]), norm)
    expected = x + (low * adjacency) @ x - ((1 - low) * adjacency) @ x
    torch.testing.assert_close(layer(x, pattern, pattern.in_order(norm)), expected)
