import functools

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from graphml.spectral import (
    GRID_SIZE,
    ChebyshevExpansion,
    FilterBank,
    LeastSquaresFit,
    MexicanHat,
    PolynomialFit,
    ScalingFunction,
    SpectralDensity,
    cell_widths,
    chebyshev_vandermonde,
    get_fit,
    spectral_grid,
)

FILTERS = {
    "low_pass_5": lambda lam: ScalingFunction()(5 * lam),
    "mexican_hat_2": lambda lam: MexicanHat()(2 * lam),
    "mexican_hat_5": lambda lam: MexicanHat()(5 * lam),
}


@pytest.fixture
def density() -> torch.Tensor:
    """Uneven, with empty cells."""
    values = torch.rand(GRID_SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[60:90] = 0
    return values / values.mean()


def fitted(fit: PolynomialFit, function, lam: torch.Tensor, density: torch.Tensor | None = None) -> torch.Tensor:
    return chebyshev_vandermonde(lam, fit.order) @ fit(function(fit.grid), density)


@pytest.mark.parametrize("order", [0, 1, 2, 12])
def test_vandermonde_is_numpys(order):
    lam = torch.linspace(0, 2, 17, dtype=torch.float64)
    np.testing.assert_allclose(chebyshev_vandermonde(lam, order), chebyshev.chebvander(lam - 1, order), atol=1e-12)


@pytest.mark.parametrize("name", ["weighted", "plain", "chebyshev"])
def test_coefficients_are_numpys_weighted_least_squares(name, density):
    omega = {"weighted": density, "plain": cell_widths(dtype=torch.float64), "chebyshev": torch.ones(GRID_SIZE)}[name]
    grid = spectral_grid(dtype=torch.float64)
    values = FILTERS["mexican_hat_5"](grid)
    expected = chebyshev.chebfit(grid - 1, values, 8, w=omega.double().sqrt())
    np.testing.assert_allclose(get_fit(name, 8)(values, density), expected, atol=1e-7)


def test_expansion_is_the_truncated_chebyshev_series():
    expected = chebyshev.chebinterpolate(lambda x: 1 / (1 + 5 * (x + 1)), 150)[:9]
    coefficients = ChebyshevExpansion(8)(FILTERS["low_pass_5"](spectral_grid(dtype=torch.float64)))
    np.testing.assert_allclose(coefficients, expected, atol=1e-8)


@pytest.mark.parametrize("name", ["weighted", "plain", "chebyshev"])
@pytest.mark.parametrize("order", [0, 1, 5, 12])
def test_a_polynomial_of_the_degree_is_found_exactly(name, order, density):
    true = torch.randn(order + 1, dtype=torch.float64)
    fit = get_fit(name, order)
    torch.testing.assert_close(fit(fit.vandermonde @ true, density), true, atol=1e-6, rtol=1e-6)


def test_density_on_few_cells_gives_finite_coefficients_that_are_right_there():
    density = torch.zeros(GRID_SIZE)
    density[[3, 100]] = GRID_SIZE / 2
    fit = PolynomialFit(8)
    lam = fit.grid[[3, 100]]
    out = fitted(fit, FILTERS["mexican_hat_2"], lam, density)
    torch.testing.assert_close(out, FILTERS["mexican_hat_2"](lam), atol=1e-5, rtol=0)
    assert fit(FILTERS["mexican_hat_2"](fit.grid), density).abs().max() < 10


def test_no_density_means_plain_least_squares_and_the_ablations_ignore_it(density):
    values = FILTERS["low_pass_5"](spectral_grid(dtype=torch.float64))
    assert torch.equal(PolynomialFit(5)(values), LeastSquaresFit(5)(values))
    for fit in (LeastSquaresFit(5), ChebyshevExpansion(5)):
        assert torch.equal(fit(values, density), fit(values))
    assert not torch.allclose(PolynomialFit(5)(values, density), PolynomialFit(5)(values))


@pytest.mark.parametrize("name", ["weighted", "plain", "chebyshev"])
def test_gradient_in_the_scales_by_finite_differences(name, density):
    bank, fit = FilterBank(2).double(), get_fit(name, 6)

    def coefficients(raw: torch.Tensor) -> torch.Tensor:
        return fit(torch.func.functional_call(bank, {"raw_scales": raw}, (fit.grid,)), density)

    assert torch.autograd.gradcheck(coefficients, (bank.raw_scales.detach().clone().requires_grad_(),))


def test_many_filters_at_once_and_the_type_of_the_response():
    fit = PolynomialFit(4)
    responses = torch.rand(2, 3, GRID_SIZE)
    out = fit(responses)
    assert out.shape == (2, 3, 5)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[1, 2], fit(responses[1, 2]))


@pytest.mark.parametrize("name", ["weighted", "plain", "chebyshev"])
def test_each_of_many_graphs_has_its_own_density(name):
    fit = get_fit(name, 4)
    responses, densities = torch.rand(3, 2, GRID_SIZE), torch.rand(3, GRID_SIZE)
    expected = [fit(response, density) for response, density in zip(responses, densities, strict=True)]
    torch.testing.assert_close(fit(responses, densities), torch.stack(expected))


def test_a_fit_has_no_state_to_save():
    assert PolynomialFit(4).state_dict() == {}
    assert repr(PolynomialFit(4)) == "PolynomialFit(order=4)"


@functools.cache
def on_grid_of(exact_spectrum, name: str) -> torch.Tensor:
    graph = exact_spectrum(name)
    generator = torch.Generator().manual_seed(0)
    return SpectralDensity.estimate(graph.edge_index, graph.num_nodes, 30, 10, generator).on_grid()


@pytest.mark.parametrize("K", [3, 5, 8, 12])
@pytest.mark.parametrize("response", FILTERS)
@pytest.mark.parametrize("name", ["Cora", "CiteSeer"])
def test_weighted_fit_is_never_worse_on_the_exact_spectrum_than_the_expansion(exact_spectrum, name, response, K):
    eigenvalues, function = exact_spectrum(name).eigenvalues.clamp(0, 2), FILTERS[response]

    def rms(fit: PolynomialFit, density: torch.Tensor | None) -> float:
        return float((fitted(fit, function, eigenvalues, density) - function(eigenvalues)).square().mean().sqrt())

    assert rms(PolynomialFit(K), on_grid_of(exact_spectrum, name)) <= rms(ChebyshevExpansion(K), None)


@pytest.mark.parametrize("K", [3, 5, 8])
@pytest.mark.parametrize("response", FILTERS)
def test_weighted_fit_is_best_where_the_density_says(density, response, K):
    """By its definition: no other fit has a smaller density-weighted error on the grid."""
    grid, function = spectral_grid(dtype=torch.float64), FILTERS[response]

    def error(name: str) -> float:
        fit = get_fit(name, K)
        return float((density * (fitted(fit, function, grid, density) - function(grid)).square()).mean())

    assert error("weighted") < min(error("plain"), error("chebyshev"))


@pytest.mark.parametrize("shape", [(255,), (GRID_SIZE, 1), ()])
def test_density_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"density: expected shape \(256,\), got"):
        PolynomialFit(3).projection(torch.ones(shape))


def test_negative_degree_and_unknown_name_are_refused():
    with pytest.raises(ValueError, match="order: expected a degree >= 0, got -1"):
        PolynomialFit(-1)
    with pytest.raises(ValueError, match=r"fit: expected one of \['chebyshev', 'plain', 'weighted'\], got 'lsq'"):
        get_fit("lsq", 3)
