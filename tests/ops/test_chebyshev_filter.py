import pytest
import torch
from torch_geometric.utils import erdos_renyi_graph, to_dense_adj

from graphml.ops import SparsePattern, adjacency_pattern, chebyshev_filter, symmetric_normalize

N = 14


@pytest.fixture
def graph() -> tuple[SparsePattern, torch.Tensor, torch.Tensor]:
    """Pattern, float64 weights in CSR order and dense matrix of a graph with two isolated nodes."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(12, 0.3)
    weight = symmetric_normalize(edges, torch.ones(edges.size(1), dtype=torch.float64), N)
    pattern = adjacency_pattern(edges, N)
    return pattern, pattern.in_order(weight), to_dense_adj(edges, edge_attr=weight, max_num_nodes=N)[0]


def dense_filter(matrix: torch.Tensor, x: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    mu, vectors = torch.linalg.eigh(-matrix)
    angle = torch.arccos(mu.clamp(-1, 1))
    response = sum(c * torch.cos(k * angle) for k, c in enumerate(coefficients))
    return vectors @ (response[:, None] * (vectors.T @ x))


@pytest.mark.parametrize("degree", [0, 1, 2, 9])
def test_value_and_gradients_equal_filtering_by_eigenvectors(graph, degree):
    pattern, weight, matrix = graph
    x = torch.randn(N, 3, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(degree + 1, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(N, 3, dtype=torch.float64)
    ours, oracle = chebyshev_filter(x, pattern, weight, coefficients), dense_filter(matrix, x, coefficients)
    torch.testing.assert_close(ours, oracle)
    for a, b in zip(
        torch.autograd.grad((ours * direction).sum(), (x, coefficients)),
        torch.autograd.grad((oracle * direction).sum(), (x, coefficients)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("weight_needs_gradient", [False, True])
def test_gradients_by_finite_differences(graph, weight_needs_gradient):
    pattern, weight, _ = graph
    x = torch.randn(N, 2, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(4, dtype=torch.float64, requires_grad=True)
    weight = weight.clone().requires_grad_(weight_needs_gradient)
    assert torch.autograd.gradcheck(lambda v, w, c: chebyshev_filter(v, pattern, w, c), (x, weight, coefficients))


@pytest.mark.parametrize("weight_needs_gradient", [False, True])
def test_graphs_side_by_side_each_with_a_polynomial_of_its_own(graph, weight_needs_gradient):
    _, _, matrix = graph
    two = torch.block_diag(matrix, matrix)
    edges = two.nonzero().T
    pattern = adjacency_pattern(edges, 2 * N)
    weight = pattern.in_order(two[*edges]).requires_grad_(weight_needs_gradient)
    x = torch.randn(2 * N, 3, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    of_nodes = coefficients.repeat_interleave(N, 0).T.unsqueeze(-1)
    ours = chebyshev_filter(x, pattern, weight, of_nodes)
    oracle = torch.cat([dense_filter(matrix, part, own) for part, own in zip(x.split(N), coefficients, strict=True)])
    torch.testing.assert_close(ours, oracle)
    direction = torch.randn(2 * N, 3, dtype=torch.float64)
    for a, b in zip(
        torch.autograd.grad((ours * direction).sum(), (x, coefficients)),
        torch.autograd.grad((oracle * direction).sum(), (x, coefficients)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_an_operator_that_is_not_symmetric_is_differentiated_by_its_transpose():
    pattern = adjacency_pattern(torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]]), 3)
    weight = torch.tensor([0.3, -0.5, 0.7, 0.2], dtype=torch.float64)
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, c: chebyshev_filter(v, pattern, weight, c), (x, coefficients))


def test_strides_of_the_signal_and_of_its_gradient_do_not_matter(graph):
    pattern, weight, _ = graph
    base = torch.randn(3, N, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(4, dtype=torch.float64)
    out = chebyshev_filter(base.T, pattern, weight, coefficients)
    torch.testing.assert_close(out, chebyshev_filter(base.T.contiguous(), pattern, weight, coefficients))
    (strided,) = torch.autograd.grad(out.sum(), base)  # a gradient of stride 0
    out = chebyshev_filter(base.T, pattern, weight, coefficients)
    torch.testing.assert_close(strided, torch.autograd.grad(out, base, torch.ones_like(out))[0])


def test_operator_is_registered_completely(graph):
    pattern, weight, _ = graph
    x, coefficients = torch.randn(N, 2, requires_grad=True), torch.randn(4, requires_grad=True)
    torch.library.opcheck(torch.ops.graphml.chebyshev_filter, (*pattern[:5], weight.float(), x, coefficients))


def test_memory_does_not_grow_with_the_degree(graph):
    num_nodes, channels, degree = 300, 100, 40
    edges = erdos_renyi_graph(num_nodes, 0.02)
    pattern = adjacency_pattern(edges, num_nodes)
    weight = pattern.in_order(symmetric_normalize(edges, None, num_nodes))
    x = torch.randn(num_nodes, channels, requires_grad=True)
    coefficients = torch.randn(degree + 1, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        chebyshev_filter(x, pattern, weight, coefficients)
    assert sum(saved) < 2 * x.numel() + 10 * edges.size(1)  # the basis alone has 41 x.numel()
