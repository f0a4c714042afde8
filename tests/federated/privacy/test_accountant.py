"""Epsilon against closed forms and numerical integrals."""

import math
import sys

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from graphml.federated.privacy.accountant import ORDERS, prv_epsilon, rdp_epsilon

pytest.importorskip("opacus")


def exact_epsilon(sigma, steps, delta):
    """Balle and Wang (ICML 2018), theorem 8: T Gaussian mechanisms are one of noise sigma / sqrt(T)."""
    mu = math.sqrt(steps) / sigma

    def excess(epsilon):
        return (
            stats.norm.cdf(mu / 2 - epsilon / mu)
            - math.exp(epsilon + stats.norm.logcdf(-mu / 2 - epsilon / mu))
            - delta
        )

    return optimize.brentq(excess, 0, 1e4)


def converted(divergence, delta):
    """Balle et al. (AISTATS 2020), theorem 21, at the best order."""
    orders = np.array(ORDERS)
    values = divergence - (np.log(delta) + np.log(orders)) / (orders - 1) + np.log((orders - 1) / orders)
    return values.min()


@pytest.mark.parametrize(("sigma", "steps"), [(1.0, 1), (4.0, 100), (0.5, 3), (20.0, 50)])
def test_without_sampling_it_is_the_closed_form(sigma, steps):
    by_hand = converted(steps * np.array(ORDERS) / (2 * sigma**2), 1e-5)  # alpha / 2 sigma^2 a step
    assert rdp_epsilon(sigma, 1.0, steps, 1e-5) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize(("sigma", "sampling", "steps"), [(1.0, 0.1, 100), (2.0, 0.3, 20)])
def test_with_sampling_it_is_the_integral(sigma, sampling, steps):
    def divergence(order):  # of (1 - q) N(0, sigma^2) + q N(1, sigma^2) from N(0, sigma^2)
        def integrand(z):
            ratio = np.logaddexp(np.log1p(-sampling), np.log(sampling) + (2 * z - 1) / (2 * sigma**2))
            return np.exp(order * ratio + stats.norm.logpdf(z, scale=sigma))

        value, _ = integrate.quad(integrand, -20 * sigma, order + 20 * sigma, limit=500, points=[0, order])
        return np.log(value) / (order - 1)

    few = [1.5, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0]
    values = [steps * divergence(a) - (math.log(1e-5) + math.log(a)) / (a - 1) + math.log((a - 1) / a) for a in few]
    got = rdp_epsilon(sigma, sampling, steps, 1e-5)
    assert got <= min(values) + 1e-6  # the best of all orders is no worse than that of some
    assert got >= min(values) - 0.6


@pytest.mark.parametrize(("sigma", "steps"), [(1.0, 1), (4.0, 100)])
def test_both_bound_the_exact_value(sigma, steps):
    exact = exact_epsilon(sigma, steps, 1e-5)
    assert exact <= prv_epsilon(sigma, 1.0, steps, 1e-5) <= exact + 0.05
    assert exact <= rdp_epsilon(sigma, 1.0, steps, 1e-5) <= 1.15 * exact


def test_numerical_composition_is_tighter_under_sampling():
    assert prv_epsilon(1.0, 0.1, 100, 1e-5) < rdp_epsilon(1.0, 0.1, 100, 1e-5)


def test_epsilon_is_monotone():
    base = rdp_epsilon(1.0, 0.1, 100, 1e-5)
    assert rdp_epsilon(2.0, 0.1, 100, 1e-5) < base  # more noise
    assert rdp_epsilon(1.0, 0.05, 100, 1e-5) < base  # fewer take part
    assert rdp_epsilon(1.0, 0.1, 50, 1e-5) < base  # fewer steps
    assert rdp_epsilon(1.0, 0.1, 100, 1e-3) < base  # a larger chance to fail


@pytest.mark.parametrize("epsilon", [rdp_epsilon, prv_epsilon])
def test_what_needs_no_accountant(epsilon):
    assert epsilon(0.0, 0.5, 1, 1e-5) == math.inf
    assert epsilon(1.0, 0.0, 10, 1e-5) == 0
    assert epsilon(0.0, 1.0, 0, 1e-5) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 0.1, 1, 1e-5), "noise_multiplier: expected a finite number of at least 0, got -1"),
        ((math.inf, 0.1, 1, 1e-5), "noise_multiplier"),
        ((1.0, 1.5, 1, 1e-5), r"sampling: expected a probability in \[0, 1\], got 1.5"),
        ((1.0, 0.1, -1, 1e-5), "steps: expected at least 0, got -1"),
        ((1.0, 0.1, 1, 0.0), r"delta: expected a probability in \(0, 1\), got 0"),
    ],
)
def test_wrong_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        rdp_epsilon(*arguments)


def test_without_opacus_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(ModuleNotFoundError, match=r"graphml-torch\[privacy\].*conda install -c conda-forge opacus"):
        rdp_epsilon(1.0, 1.0, 1, 1e-5)
