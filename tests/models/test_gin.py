import pytest
import torch
from torch_geometric.utils import to_dense_adj

from graphml.models import GIN


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_it_is_dense_algebra(graph, mode):
    model = GIN(7, 4, 5, num_layers=3, dropout=0.0).train(mode == "train")
    matrix = to_dense_adj(graph.edge_index, max_num_nodes=30)[0].T + torch.eye(30)
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    expected = graph.x
    for layer, conv in enumerate(model.convs):
        expected = torch.relu(expected) if layer else expected
        expected = conv.nn(matrix @ expected)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def test_it_tells_graphs_apart_that_means_do_not():
    triangle = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    pair = torch.tensor([[0, 1], [1, 0]])
    model = GIN(1, 2, 8).eval()
    outs = [model(torch.ones(size, 1), edges)[0] for size, edges in ((3, triangle), (2, pair))]
    assert not torch.allclose(*outs)
