import time

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.utils import to_networkx

from graphml.data.samples import contextual_sbm
from graphml.data.samples.contextual_sbm import _triangle
from graphml.data.validation import validate_graph


def test_graph_is_simple_symmetric_and_balanced():
    data = contextual_sbm(num_nodes=1002, num_classes=4, num_features=5, seed=3)
    validate_graph(data)
    graph = to_networkx(data, to_undirected=True)
    assert 2 * graph.number_of_edges() == data.edge_index.size(1)  # no duplicate
    assert nx.number_of_selfloops(graph) == 0
    assert sorted(data.y.bincount().tolist()) == [250, 250, 251, 251]
    assert data.x.shape == (1002, 5)


@pytest.mark.parametrize("homophily", [0.0, 0.3, 1.0])
def test_degree_and_homophily_are_those_asked_for(homophily):
    data = contextual_sbm(num_nodes=4000, num_classes=3, average_degree=12, homophily=homophily)
    row, col = data.edge_index
    assert data.edge_index.size(1) / 4000 == pytest.approx(12, rel=0.05)
    assert (data.y[row] == data.y[col]).float().mean() == pytest.approx(homophily, abs=0.02)


def test_degrees_are_binomial_as_in_networkx_model():
    n, degree = 3000, 8.0
    data = contextual_sbm(num_nodes=n, num_classes=2, average_degree=degree, homophily=0.75, seed=1)
    p_in = 0.75 * n * degree / 2 / (2 * (1500 * 1499 / 2))
    p_out = 0.25 * n * degree / 2 / 1500**2
    model = nx.stochastic_block_model([1500, 1500], [[p_in, p_out], [p_out, p_in]], seed=1, sparse=True)
    theirs = np.array([d for _, d in model.degree])
    ours = data.edge_index[0].bincount(minlength=n).numpy()
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.05)
    assert ours.var() == pytest.approx(theirs.var(), rel=0.15)


def test_dense_limit_is_the_complete_graph():
    data = contextual_sbm(num_nodes=6, num_classes=2, average_degree=5, homophily=0.4)
    assert data.edge_index.size(1) == 30  # 6 of 15 pairs lie inside the classes: every pair is joined


def test_feature_signal_is_the_norm_of_the_class_means():
    data = contextual_sbm(num_nodes=20000, num_classes=2, num_features=400, feature_signal=3.0)
    means = torch.stack([data.x[data.y == label].mean(dim=0) for label in (0, 1)])
    assert means.norm(dim=1).tolist() == pytest.approx([3.0, 3.0], rel=0.15)
    assert (data.x - means[data.y]).std() == pytest.approx(1.0, abs=0.01)


def test_same_seed_same_graph_and_no_global_stream():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = contextual_sbm(seed=5), contextual_sbm(seed=5), contextual_sbm(seed=6)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.edge_index, again.edge_index)
    assert not torch.equal(first.x, other.x)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_large_graph_is_drawn_in_time_of_its_edges():
    start = time.perf_counter()
    data = contextual_sbm(num_nodes=100_000, num_classes=10, num_features=8)
    assert data.num_nodes == 100_000
    assert time.perf_counter() - start < 20  # a dense draw of 10^10 pairs would not end


def test_triangle_is_numpys_lower_triangle():
    rows, cols = np.tril_indices(200, k=-1)
    first, second = _triangle(np.arange(len(rows)))
    assert np.array_equal(first, rows)
    assert np.array_equal(second, cols)


def test_triangle_is_exact_for_huge_rows():
    n = 90_000_000
    code = np.array([n * (n - 1) // 2 - 1, n * (n - 1) // 2])
    first, second = _triangle(code)
    assert first.tolist() == [n - 1, n]
    assert second.tolist() == [n - 2, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"num_nodes": 3}, "num_nodes must be at least num_classes = 4, got 3"),
        ({"num_features": 0}, "num_features must be at least 1, got 0"),
        ({"average_degree": 0.0}, "average_degree must be > 0, got 0"),
        ({"homophily": 1.1}, r"homophily must be in \[0, 1\], got 1.1"),
        ({"feature_signal": -1.0}, "feature_signal must be >= 0, got -1"),
        ({"num_nodes": 8, "average_degree": 7.0}, "average_degree is too large: 22 edges wanted inside classes"),
        ({"average_degree": float("nan")}, "average_degree must be > 0, got nan"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        contextual_sbm(**options)
