"""What all node classifiers have in common; each has its own file for what it computes."""

import functools

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.utils import add_self_loops

from graphml.models import GAT, GIN, GPRGNN, SAGE
from graphml.ops import symmetric_normalize

MODELS = [SAGE, GAT, GIN, GPRGNN]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_logits_have_a_column_a_class(graph, model, num_layers):
    network = model(7, 4, 16, num_layers)
    assert network(graph.x, graph.edge_index, graph.edge_weight, graph.density).shape == (30, 4)


@pytest.mark.parametrize("model", MODELS)
def test_sparse_features_give_the_same_logits_and_gradients(graph, model):
    network = model(7, 4, 16, dropout=0.0)
    results = []
    for x in (graph.x, graph.x.to_sparse_csr()):
        out = network(x, graph.edge_index, graph.edge_weight)
        results.append((out, *torch.autograd.grad(out.pow(2).sum(), list(network.parameters()))))
    torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loops", [False, True], ids=["plain", "self_loops"])
def test_a_sorted_edge_index_gives_the_same_as_plain_edges(graph, model, loops):
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0] if loops else graph.edge_index
    network = model(7, 4, 16).eval()
    perm = edges[1].argsort(stable=True)
    cached = EdgeIndex(edges[:, perm], sparse_size=(30, 30), sort_order="col", is_undirected=True).fill_cache_()
    expected = network(graph.x, edges, symmetric_normalize(edges, None, 30))
    out = network(graph.x, cached, symmetric_normalize(cached, None, 30))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_dropout_drops_in_training_alone(graph, model):
    args = (graph.x, graph.edge_index, graph.edge_weight)
    network = model(7, 4, 16, dropout=0.5)
    assert not torch.allclose(network(*args), network(*args))
    network.eval()
    assert torch.equal(network(*args), network(*args))


@pytest.mark.parametrize("model", MODELS)
def test_reset_draws_new_weights(graph, model):
    network = model(7, 4, 16)
    before = {name: value.clone() for name, value in network.state_dict().items() if value.dim() == 2}
    network.reset_parameters()
    assert all(not torch.equal(network.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "num_layers: expected an integer >= 1, got 0"),
        ({"hidden_channels": 0}, "hidden_channels: expected an integer >= 1, got 0"),
        ({"in_channels": 0}, "in_channels: expected an integer >= 1, got 0"),
        ({"num_classes": -1}, "num_classes: expected an integer >= 1, got -1"),
        ({"dropout": 1.0}, r"dropout: expected a probability in \[0, 1\), got 1.0"),
    ],
)
def test_wrong_options_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model(**({"in_channels": 7, "num_classes": 4} | options))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (functools.partial(GAT, hidden_channels=10, heads=4), "heads: expected a divisor of hidden_channels 10, got 4"),
        (functools.partial(GAT, heads=0), "heads: expected a divisor of hidden_channels 64, got 0"),
        (functools.partial(GPRGNN, K=-1), "K: expected an integer >= 0, got -1"),
        (functools.partial(GPRGNN, alpha=1.5), r"alpha: expected a probability in \[0, 1\], got 1.5"),
    ],
)
def test_wrong_options_of_one_model_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(7, 4)
