import pytest
import torch
import torch.nn.functional as F
from torch_geometric.utils import add_self_loops, to_dense_adj

from graphml.models import GAT


def dense_attention(conv, x, adjacency, heads, channels):
    """One layer by dense algebra: softmax over the neighbours, node by node, of leaky_relu(a_s h_j + a_t h_i)."""
    h = conv.lin(x).view(-1, heads, channels)
    source, target = (h * conv.att_src).sum(-1), (h * conv.att_dst).sum(-1)
    score = F.leaky_relu(target[:, None] + source[None], 0.2)
    share = score.masked_fill(adjacency[..., None] == 0, -torch.inf).softmax(dim=1)
    return torch.einsum("ijh,jhc->ihc", share, h).flatten(1) + conv.bias


@pytest.mark.parametrize("loops", [False, True], ids=["plain", "self_loops"])
def test_two_layers_are_dense_algebra(graph, loops):
    model = GAT(7, 4, 6, heads=3).eval()
    adjacency = to_dense_adj(graph.edge_index, max_num_nodes=30)[0].T + torch.eye(30)
    hidden = F.relu(dense_attention(model.convs[0], graph.x, adjacency, 3, 2))
    expected = dense_attention(model.convs[1], hidden, adjacency, 1, 4)
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0] if loops else graph.edge_index
    torch.testing.assert_close(model(graph.x, edges, graph.edge_weight), expected, atol=1e-5, rtol=1e-5)


def test_its_hidden_layers_have_heads_side_by_side_and_the_last_has_one():
    convs = GAT(7, 4, 16, num_layers=3).convs
    assert [(conv.heads, conv.out_channels) for conv in convs] == [(8, 2), (8, 2), (1, 4)]
