import pytest
import torch
from torch import nn
from torch_geometric.nn import GINConv
from torch_geometric.utils import add_self_loops

from graphml.models import GIN


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("loops", [False, True], ids=["plain", "self_loops"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_it_is_pygs_gin(graph, num_layers, loops, mode):
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0] if loops else graph.edge_index
    model = GIN(7, 4, 5, num_layers, dropout=0.0).train(mode == "train")
    convs = [GINConv(nn.Sequential(layer.first, layer.norm, nn.ReLU(), layer.second)) for layer in model.layers]
    out = model(graph.x, edges, graph.edge_weight)
    expected = graph.x
    for number, conv in enumerate(convs):
        expected = conv(torch.relu(expected) if number else expected, edges)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
    parameters = list(model.parameters())
    gradients = [torch.autograd.grad(value.pow(2).sum(), parameters) for value in (out, expected)]
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-3)


def test_it_tells_graphs_apart_that_means_do_not():
    triangle = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    pair = torch.tensor([[0, 1], [1, 0]])
    model = GIN(1, 2, 8).eval()
    outs = [model(torch.ones(size, 1), edges)[0] for size, edges in ((3, triangle), (2, pair))]
    assert not torch.allclose(*outs)
