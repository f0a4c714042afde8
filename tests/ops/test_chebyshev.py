import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import ChebConv
from torch_geometric.utils import erdos_renyi_graph, to_dense_adj

from graphml.ops import adjacency_pattern, chebyshev, chebyshev_basis, chebyshev_filter, symmetric_normalize

N = 14


@pytest.fixture
def graph() -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric edges in random order and their float64 normalised weights; nodes 12 and 13 are isolated."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(12, 0.3)
    edges = edges[:, torch.randperm(edges.size(1))]
    return edges, symmetric_normalize(edges, torch.ones(edges.size(1), dtype=torch.float64), N)


def by_eigenvectors(edges: torch.Tensor, weight: torch.Tensor, x: torch.Tensor, order: int) -> torch.Tensor:
    """T_k = cos(k arccos(mu)) on each eigenvalue mu of M = -A_hat: no recurrence."""
    matrix = to_dense_adj(edges, edge_attr=weight, max_num_nodes=N)[0]
    mu, vectors = torch.linalg.eigh(-matrix)
    angle = torch.arccos(mu.clamp(-1, 1))
    return torch.stack([vectors @ (torch.cos(k * angle)[:, None] * (vectors.T @ x)) for k in range(order + 1)])


@pytest.mark.parametrize("order", [0, 1, 2, 9])
def test_basis_equals_the_cosines_of_the_spectrum(graph, order):
    x = torch.randn(N, 3, dtype=torch.float64)
    ours = chebyshev_basis(x, *graph, order)
    assert ours.shape == (order + 1, N, 3)
    torch.testing.assert_close(ours, by_eigenvectors(*graph, x, order))


def test_basis_is_that_of_pygs_chebconv(graph):
    edges, weight = graph
    x = torch.randn(N, 3)
    conv = ChebConv(3, 3, K=5, bias=False)
    with torch.no_grad():
        for k, lin in enumerate(conv.lins):
            lin.weight.copy_((k + 1.0) * torch.eye(3))
        expected = conv(x, edges, lambda_max=2.0)
    ours = chebyshev_basis(x, edges, weight.float(), 4)
    torch.testing.assert_close(torch.einsum("k,knf->nf", torch.arange(1.0, 6.0), ours), expected)


def test_a_ready_pattern_and_edge_index_give_the_same(graph):
    edges, weight = graph
    x = torch.randn(N, 3, dtype=torch.float64)
    expected = chebyshev_basis(x, edges, weight, 4)
    pattern = adjacency_pattern(edges, N)
    assert torch.equal(chebyshev_basis(x, pattern, pattern.in_order(weight), 4), expected)
    perm = torch.argsort(edges[1])
    edge_index = EdgeIndex(edges[:, perm], sparse_size=(N, N), sort_order="col", is_undirected=True)
    torch.testing.assert_close(chebyshev_basis(x, edge_index, weight[perm], 4), expected)


def test_gradients_by_finite_differences(graph):
    edges, weight = graph
    weight = weight.clone().requires_grad_()
    x = torch.randn(N, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, w: chebyshev_basis(v, edges, w, 3), (x, weight))


@pytest.mark.parametrize("order", [0, 1, 6])
def test_it_costs_one_product_a_degree(graph, order, monkeypatch):
    calls = []
    product = chebyshev.csr_product
    monkeypatch.setattr(chebyshev, "csr_product", lambda *args, **out: calls.append(1) or product(*args, **out))
    chebyshev_basis(torch.randn(N, 3), graph[0], graph[1].float(), order)
    assert len(calls) == order


def test_negative_order_is_refused(graph):
    with pytest.raises(ValueError, match="order: expected an integer >= 0, got -1"):
        chebyshev_basis(torch.randn(N, 3), graph[0], graph[1].float(), -1)


@pytest.mark.parametrize("channels", [0, 1, 64, 65, 200])
def test_blocks_of_columns_do_not_show(graph, channels):
    edges, weight = graph
    x = torch.randn(N, channels, dtype=torch.float64, requires_grad=True)
    pattern = adjacency_pattern(edges, N)
    basis = chebyshev_basis(x, pattern, pattern.in_order(weight), 3)
    expected = by_eigenvectors(edges, weight, x, 3)
    torch.testing.assert_close(basis, expected)
    direction = torch.randn_like(expected)
    (grad,), (oracle,) = (torch.autograd.grad((b * direction).sum(), x) for b in (basis, expected))
    torch.testing.assert_close(grad, oracle)
    coefficients = torch.randn(4, dtype=torch.float64)
    filtered = chebyshev_filter(x, pattern, pattern.in_order(weight), coefficients)
    torch.testing.assert_close(filtered, torch.einsum("k,knf->nf", coefficients, expected))


def test_basis_compiles_without_a_graph_break(graph):
    edges, weight = graph
    x = torch.randn(N, 5, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(lambda v: chebyshev_basis(v, edges, weight, 3), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), chebyshev_basis(x, edges, weight, 3))
    (grad,) = torch.autograd.grad(compiled(x).square().sum(), x)
    (expected,) = torch.autograd.grad(chebyshev_basis(x, edges, weight, 3).square().sum(), x)
    torch.testing.assert_close(grad, expected)
