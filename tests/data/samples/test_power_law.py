import networkx as nx
import numpy as np
import pytest
import torch

from graphml.data.samples import power_law


@pytest.mark.parametrize(("num_nodes", "num_edges"), [(2, 0), (2, 1), (50, 300), (2708, 5278)])
def test_graph_is_simple_symmetric_and_of_the_size_asked_for(num_nodes, num_edges):
    edges = power_law(num_nodes, num_edges, seed=3)
    graph = nx.Graph(edges.T.tolist())
    assert edges.shape == (2, 2 * num_edges)
    assert graph.number_of_edges() == num_edges  # no duplicate
    assert nx.number_of_selfloops(graph) == 0
    assert set(map(tuple, edges.T.tolist())) == set(map(tuple, edges.flip(0).T.tolist()))
    assert num_edges == 0 or 0 <= int(edges.min()) <= int(edges.max()) < num_nodes


@pytest.mark.parametrize("exponent", [2.5, 3.5])
def test_tail_of_the_degrees_has_the_exponent(exponent):
    degree = power_law(50_000, 250_000, exponent)[0].bincount(minlength=50_000).double().sort(descending=True).values
    # The degree at rank r falls as r^(-1 / (exponent - 1)); the largest hubs have lost some duplicates.
    slope = np.log(degree[2000] / degree[100]) / np.log(2000 / 100)
    assert 1 - 1 / slope == pytest.approx(exponent, rel=0.1)


def test_hubs_are_not_the_first_nodes():
    degree = power_law(10_000, 30_000)[0].bincount(minlength=10_000)
    assert degree.topk(10).indices.max() > 100


def test_same_seed_same_graph_and_no_global_stream():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert torch.equal(power_law(90, 200, seed=5), power_law(90, 200, seed=5))
    assert not torch.equal(power_law(90, 200, seed=5), power_law(90, 200, seed=6))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), "num_nodes must be at least 2, got 1"),
        ((10, -1), r"num_edges must be in \[0, 23\], got -1"),
        ((10, 24), r"num_edges must be in \[0, 23\], got 24"),
        ((10, 5, 2.0), "exponent must be > 2, got 2.0"),
        ((10, 5, float("nan")), "exponent must be > 2, got nan"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        power_law(*arguments)
