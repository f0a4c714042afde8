import pytest
import torch
from torch import nn
from torch_geometric.nn import APPNP
from torch_geometric.utils import add_self_loops, to_dense_adj

from graphml.models import GPRGNN
from graphml.ops import symmetric_normalize


def perceptron(model: GPRGNN) -> nn.Sequential:
    return nn.Sequential(model.lins[0], nn.ReLU(), model.lins[1])


@pytest.mark.parametrize("K", [0, 1, 4, 10])
def test_it_begins_as_pygs_appnp(graph, K):
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0]
    model = GPRGNN(7, 4, 5, K=K, alpha=0.2).eval()
    torch.testing.assert_close(model.gamma.sum(), torch.tensor(1.0))
    expected = APPNP(K, 0.2)(perceptron(model)(graph.x), graph.edge_index)
    out = model(graph.x, edges, symmetric_normalize(edges, None, 30))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_it_is_a_polynomial_of_the_dense_operator(graph):
    model = GPRGNN(7, 4, 5, K=3).eval()
    with torch.no_grad():
        model.gamma.copy_(torch.tensor([0.5, -1.0, 0.0, 2.0]))
    A = to_dense_adj(graph.edge_index, edge_attr=graph.edge_weight, max_num_nodes=30)[0]
    operator = 0.5 * torch.eye(30) - A + 2 * A @ A @ A
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    torch.testing.assert_close(out, operator @ perceptron(model)(graph.x), atol=1e-5, rtol=1e-5)


def test_its_weights_of_the_steps_are_trained_and_named_as_filters(graph):
    model = GPRGNN(7, 4, dropout=0.0)
    assert model.filter_parameters() == [model.gamma]
    model(graph.x, graph.edge_index, graph.edge_weight).pow(2).sum().backward()
    assert (model.gamma.grad != 0).all()


def test_reset_restores_the_weights_of_personalised_pagerank():
    model = GPRGNN(7, 4, K=2, alpha=0.1)
    with torch.no_grad():
        model.gamma.zero_()
    model.reset_parameters()
    torch.testing.assert_close(model.gamma.detach(), torch.tensor([0.1, 0.09, 0.81]))
