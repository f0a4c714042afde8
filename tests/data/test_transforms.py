import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import laplacian
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.transforms import AddSelfLoops, Compose
from torch_geometric.utils import from_networkx, to_dense_adj, to_scipy_sparse_matrix

from graphml.data import AddSpectralDensity, SymmetricNormalization, ToSortedEdgeIndex, ToSparseFeatures
from graphml.data.samples import digits, karate_club
from graphml.spectral import SpectralDensity, spectral_grid


def shuffled(data: Data) -> Data:
    """The same graph with its edges in disorder and the first one twice."""
    order = torch.randperm(data.edge_index.size(1), generator=torch.Generator().manual_seed(0))
    edges = data.edge_index[:, order]
    return Data(x=data.x, y=data.y, edge_index=torch.cat([edges, edges[:, :1]], dim=1))


def isolated_and_path() -> Data:
    """Path 0 - 1 - 2 and the isolated node 3."""
    return Data(x=torch.eye(4), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))


def test_edges_are_sorted_by_target_then_source_without_duplicates():
    data = ToSortedEdgeIndex()(shuffled(karate_club()))
    edges = data.edge_index
    assert isinstance(edges, EdgeIndex)
    assert edges.is_undirected
    assert edges.is_sorted_by_col
    assert edges.sparse_size() == (34, 34)
    assert edges.dtype == torch.int64
    assert edges.shape == (2, 156)
    keys = [(target, source) for source, target in edges.t().tolist()]
    assert keys == sorted(set(keys))
    expected = nx.to_numpy_array(nx.karate_club_graph(), weight=None)
    assert np.array_equal(to_dense_adj(edges.as_tensor())[0].numpy(), expected)


def test_both_compressed_forms_are_cached_and_equal_scipys():
    data = shuffled(karate_club())
    edges = ToSortedEdgeIndex()(data).edge_index
    assert edges._indptr is not None
    assert edges._T_perm is not None
    scipy_csr = to_scipy_sparse_matrix(data.edge_index, num_nodes=34).tocsr()
    scipy_csr.sum_duplicates()
    (rowptr, col), perm = edges.get_csr()
    assert np.array_equal(rowptr.numpy(), scipy_csr.indptr)
    assert np.array_equal(col.numpy(), scipy_csr.indices)
    (colptr, row), _ = edges.get_csc()
    assert np.array_equal(colptr.numpy(), scipy_csr.indptr)  # symmetric
    assert np.array_equal(row.numpy(), scipy_csr.indices)
    # The promise of the docstring: the permutation finds the reverse of each edge.
    assert torch.equal(edges.as_tensor()[:, perm], edges.as_tensor().flip(0))


def test_int32_edges_and_edge_index_are_taken():
    data = isolated_and_path()
    expected = ToSortedEdgeIndex()(data).edge_index.as_tensor()
    int32 = ToSortedEdgeIndex()(Data(x=data.x, edge_index=data.edge_index.int())).edge_index
    assert torch.equal(int32.as_tensor(), expected)
    assert torch.equal(ToSortedEdgeIndex()(ToSortedEdgeIndex()(data)).edge_index.as_tensor(), expected)


def test_a_graph_without_edges_is_taken():
    data = Data(x=torch.eye(2), edge_index=torch.zeros(2, 0, dtype=torch.long))
    data = SymmetricNormalization()(ToSortedEdgeIndex()(data))
    assert data.edge_index.shape == (2, 0)
    assert data.edge_weight.shape == (0,)


@pytest.mark.parametrize(
    ("edges", "message"),
    [([[0, 1], [1, 2]], "not undirected"), ([[0, 5], [5, 0]], "larger indices"), ([[0, -1], [-1, 0]], "negative")],
)
def test_invalid_edges_are_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        ToSortedEdgeIndex()(Data(x=torch.eye(3), edge_index=torch.tensor(edges)))


@pytest.mark.parametrize("graph", [karate_club(), isolated_and_path(), digits(3)], ids=["karate", "isolated", "digits"])
def test_normalisation_is_identity_less_scipys_laplacian(graph):
    data = SymmetricNormalization()(ToSortedEdgeIndex()(graph))
    assert data.edge_weight.dtype == torch.float32
    adjacency = to_scipy_sparse_matrix(graph.edge_index, num_nodes=graph.num_nodes)
    oracle = -laplacian(adjacency.tocsr(), normed=True).toarray()
    np.fill_diagonal(oracle, 0)
    ours = to_dense_adj(data.edge_index.as_tensor(), edge_attr=data.edge_weight, max_num_nodes=graph.num_nodes)[0]
    np.testing.assert_allclose(ours.numpy(), oracle, atol=1e-6)


def test_with_self_loops_it_is_the_gcns_operator_by_dense_algebra():
    graph = isolated_and_path()
    data = Compose([AddSelfLoops(), ToSortedEdgeIndex(), SymmetricNormalization()])(graph)
    adjacency = to_dense_adj(graph.edge_index, max_num_nodes=4)[0] + torch.eye(4)
    scale = adjacency.sum(dim=1).rsqrt()
    ours = to_dense_adj(data.edge_index.as_tensor(), edge_attr=data.edge_weight, max_num_nodes=4)[0]
    torch.testing.assert_close(ours, scale[:, None] * adjacency * scale)


def test_normalisation_replaces_weights_and_does_not_compound():
    once = SymmetricNormalization()(karate_club())
    twice = SymmetricNormalization()(once)
    assert torch.equal(once.edge_weight, twice.edge_weight)


def test_density_is_that_of_the_spectral_module_and_near_the_exact_spectrum():
    data = AddSpectralDensity()(ToSortedEdgeIndex()(digits()))
    estimate = SpectralDensity.estimate(
        digits().edge_index, 1797, order=30, num_probes=10, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(data.density, estimate.on_grid())
    assert data.density.dtype == torch.float32
    assert data.density.shape == spectral_grid().shape
    assert data.density.mean() == pytest.approx(1.0, abs=1e-5)
    dense = laplacian(to_scipy_sparse_matrix(digits().edge_index, num_nodes=1797).tocsr(), normed=True).toarray()
    eigenvalues = torch.from_numpy(np.linalg.eigvalsh(dense)).float()
    points = torch.linspace(0.02, 1.98, 99)
    exact = (eigenvalues[None, :] <= points[:, None]).float().mean(dim=1)
    assert (estimate.cdf(points) - exact).abs().max() < 0.1


def test_density_is_seeded_and_leaves_the_global_stream_alone():
    state = torch.get_rng_state()
    graph = ToSortedEdgeIndex()(karate_club())
    first, again, other = (AddSpectralDensity(seed=seed)(graph).density for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_transforms_leave_their_input_alone():
    graph = shuffled(karate_club())
    before = graph.edge_index.clone()
    Compose([ToSortedEdgeIndex(), AddSpectralDensity(), SymmetricNormalization()])(graph)
    assert torch.equal(graph.edge_index, before)
    assert set(graph.keys()) == {"x", "y", "edge_index"}


def test_networkx_graph_round_trips():
    graph = nx.erdos_renyi_graph(30, 0.2, seed=0)
    data = from_networkx(graph)
    data.x = torch.eye(30)
    edges = ToSortedEdgeIndex()(data).edge_index.as_tensor()
    assert {tuple(edge) for edge in edges.t().tolist()} == {(a, b) for u, v in graph.edges for a, b in ((u, v), (v, u))}


@pytest.mark.parametrize(
    ("max_density", "layout"), [(0.0, "dense"), (0.24, "dense"), (0.25, "sparse"), (1.0, "sparse")]
)
def test_features_become_sparse_up_to_a_density(max_density, layout):
    data = isolated_and_path()  # a quarter of the identity is not zero
    before = data.x.clone()
    x = ToSparseFeatures(max_density)(data).x
    assert x.layout == {"dense": torch.strided, "sparse": torch.sparse_csr}[layout]
    assert torch.equal(x.to_dense(), before)


@pytest.mark.parametrize("max_density", [-0.1, 1.1, float("nan")])
def test_density_that_is_no_share_is_refused(max_density):
    with pytest.raises(ValueError, match=rf"max_density must be in \[0, 1\], got {max_density}"):
        ToSparseFeatures(max_density)
