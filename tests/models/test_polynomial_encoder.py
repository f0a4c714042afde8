import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from graphml.models import PolynomialEncoder


def make(K: int = 6) -> PolynomialEncoder:
    torch.manual_seed(1)
    encoder = PolynomialEncoder(7, 5, K=K)
    with torch.no_grad():
        encoder.steps.uniform_(-0.5, 1)
        encoder.bias.normal_()
        encoder.share.copy_(torch.tensor([0.3, 0.9]))
    return encoder


def nodes(K: int) -> np.ndarray:
    """Ascending Chebyshev nodes in lambda."""
    return chebyshev.chebpts1(K + 1) + 1


@pytest.mark.parametrize("K", [1, 6, 11])
def test_filters_are_numpys_chebyshev_interpolation_of_the_node_values(graph, K):
    encoder = make(K)
    h = encoder.project(graph.x)
    values = encoder.node_values().detach().numpy()
    for ours, value in zip(encoder.low_high(graph.x, graph.edge_index, graph.edge_weight), values, strict=True):
        # Degree K through K + 1 points: the least-squares fit is the interpolation.
        coefficients = chebyshev.chebfit(nodes(K) - 1, value, K)
        response = torch.from_numpy(chebyshev.chebval(graph.eigenvalues.numpy() - 1, coefficients)).float()
        expected = torch.relu(graph.filter(response, h) + encoder.bias)
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def test_a_filter_of_the_degree_is_exact(graph):
    """High pass lambda^3 less its value at the first node, with K = 3."""
    encoder = make(K=3)
    cube = torch.from_numpy(nodes(3) ** 3).float()
    with torch.no_grad():
        encoder.steps[1] = cube.diff()
        torch.testing.assert_close(encoder.node_values()[1], cube - cube[0])
        high = encoder.low_high(graph.x, graph.edge_index, graph.edge_weight)[1]
        response = graph.eigenvalues**3 - cube[0]
        expected = torch.relu(graph.filter(response, encoder.project(graph.x)) + encoder.bias)
    torch.testing.assert_close(high, expected, atol=1e-4, rtol=1e-4)


def test_low_pass_falls_and_high_pass_rises_whatever_the_parameters_are():
    encoder = make(K=9)
    for seed in range(20):
        with torch.no_grad():
            encoder.steps.normal_(generator=torch.Generator().manual_seed(seed))
        low, high = encoder.node_values()
        assert (low.diff() <= 0).all()
        assert (high.diff() >= 0).all()
        assert (low >= 0).all()
        assert (low[0], high[0]) == (2, 0)


def test_it_starts_with_a_line_down_and_a_line_up():
    low, high = PolynomialEncoder(7, 5, K=4).node_values()
    torch.testing.assert_close(low, torch.tensor([2.0, 1.5, 1.0, 0.5, 0.0]))
    torch.testing.assert_close(high, torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0]))


def test_embedding_is_the_shared_sum(graph):
    encoder = make()
    args = (graph.x, graph.edge_index, graph.edge_weight)
    low, high = encoder.low_high(*args)
    torch.testing.assert_close(encoder(*args, graph.density), 0.3 * low + 0.9 * high)


def test_every_parameter_gets_a_gradient(graph):
    encoder = PolynomialEncoder(7, 5)
    encoder(graph.x, graph.edge_index, graph.edge_weight).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    assert encoder.steps.grad.any(dim=1).all()


def test_sparse_features_give_the_same_embedding_and_gradients(graph):
    encoder = make()
    results = []
    for x in (graph.x, graph.x.to_sparse_csr()):
        out = encoder(x, graph.edge_index, graph.edge_weight)
        results.append((out, *torch.autograd.grad(out.square().sum(), list(encoder.parameters()))))
    torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)


def test_reset_restores_the_filters():
    encoder = make(K=4)
    encoder.reset_parameters()
    torch.testing.assert_close(encoder.node_values(), PolynomialEncoder(7, 5, K=4).node_values())
    assert encoder.share.tolist() == [0.5, 0.5]


def test_degree_below_one_is_refused():
    with pytest.raises(ValueError, match="K: expected a polynomial degree >= 1, got 0"):
        PolynomialEncoder(7, K=0)
