import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import laplacian
from torch_geometric import EdgeIndex
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import erdos_renyi_graph, to_dense_adj

from graphml.ops import adjacency_pattern, mean_normalize, spmm, symmetric_normalize


@pytest.fixture
def edges() -> torch.Tensor:
    """Symmetric, with isolated nodes 12 and 13."""
    torch.manual_seed(0)
    return erdos_renyi_graph(12, 0.3)


def pair_weights(edges: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Positive weights, the same in both directions of an edge."""
    table = torch.rand(14, 14, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    return (table + table.T)[edges[0], edges[1]]


def test_one_minus_it_is_scipys_normalised_laplacian(edges):
    weight = pair_weights(edges)
    ours = to_dense_adj(edges, edge_attr=symmetric_normalize(edges, weight, 14), max_num_nodes=14)[0]
    oracle = -laplacian(to_dense_adj(edges, edge_attr=weight, max_num_nodes=14)[0].numpy(), normed=True)
    np.fill_diagonal(oracle, 0)
    np.testing.assert_allclose(ours.numpy(), oracle, atol=1e-12)
    assert not ours[12:].any()


def test_it_equals_pygs_gcn_norm(edges):
    expected = gcn_norm(edges, None, 14, add_self_loops=False)[1]
    torch.testing.assert_close(symmetric_normalize(edges, None, 14), expected)
    weight = pair_weights(edges).float()
    expected = gcn_norm(edges, weight, 14, add_self_loops=False)[1]
    torch.testing.assert_close(symmetric_normalize(edges, weight, 14), expected)


def test_self_loops_of_the_list_count_and_none_are_added():
    edges = torch.tensor([[0, 1, 0], [1, 0, 0]])
    expected = torch.tensor([1 / 2**0.5, 1 / 2**0.5, 1 / 2])
    torch.testing.assert_close(symmetric_normalize(edges, None, 2), expected)


def test_eigenvalues_lie_in_minus_one_to_one(edges):
    matrix = to_dense_adj(edges, edge_attr=symmetric_normalize(edges, pair_weights(edges), 14), max_num_nodes=14)[0]
    assert torch.linalg.eigvalsh(matrix).abs().max() <= 1 + 1e-12


@pytest.mark.parametrize("form", ["int32", "row", "col", "unsorted"])
def test_every_form_of_edge_list_gives_the_same(edges, form):
    expected = symmetric_normalize(edges, None, 14)
    if form == "int32":
        assert torch.equal(symmetric_normalize(edges.int(), None, 14), expected)
        return
    perm = torch.arange(edges.size(1)) if form == "unsorted" else torch.argsort(edges[0 if form == "row" else 1])
    order = None if form == "unsorted" else form
    edge_index = EdgeIndex(edges[:, perm], sparse_size=(14, 14), sort_order=order, is_undirected=True)
    ours = symmetric_normalize(edge_index, None, 14)
    assert type(ours) is torch.Tensor
    assert torch.equal(ours, expected[perm])


def test_gradient_by_finite_differences(edges):
    weight = pair_weights(edges).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: symmetric_normalize(edges, w, 14), (weight,))


def test_nodes_whose_edges_are_all_dropped_have_zero_rows_and_modest_gradients():
    edges = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])  # a path whose nodes 0 and 1 are cut off
    weight = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0], requires_grad=True)
    out = symmetric_normalize(edges, weight, 4)
    assert torch.equal(out, weight)
    out.sum().backward()
    assert weight.grad.abs().max() <= 1


def test_no_edges_give_no_weights():
    assert symmetric_normalize(torch.zeros(2, 0, dtype=torch.long), None, 3).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mean_weights_average_over_the_neighbours_alone(edges, dtype):
    pattern = adjacency_pattern(edges, 14)
    x = torch.randn(14, 3, dtype=dtype)
    dense = to_dense_adj(edges, max_num_nodes=14)[0].T.to(dtype)
    weight = mean_normalize(pattern, dtype)
    assert weight.dtype == dtype
    torch.testing.assert_close(spmm(pattern, weight, x), dense @ x / dense.sum(1, keepdim=True).clamp(min=1))
