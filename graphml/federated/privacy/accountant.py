"""What a number of noisy sums costs: epsilon of the subsampled Gaussian mechanism, by Opacus' accountants."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

INSTALL = "pip install 'graphml-torch[privacy]', or: conda install -c conda-forge opacus"

ORDERS = (
    *(1.0 + k / 100 for k in range(1, 10)),
    *(1.0 + k / 10 for k in range(1, 100)),
    *(float(order) for order in (*range(11, 65), 80, 96, 128, 192, 256, 512, 1024)),
)
"""Orders of Renyi's divergence that are tried; any set gives an upper bound, the best of these is taken."""


def rdp_epsilon(noise_multiplier: float, sampling: float, steps: int, delta: float) -> float:
    r"""Epsilon by Renyi differential privacy (Mironov, CSF 2017, arXiv 1702.07476), an upper bound.

    A step sums what each unit (a client, a graph) contributes, of norm at most C, and adds
    :math:`\mathcal{N}(0, \sigma^2 C^2)`; a unit takes part in a step with probability q, independently of all others
    (**Poisson sampling**), and neighbouring data differ in one unit that is there or not. With q = 1 its divergence of
    order :math:`\alpha` is :math:`\alpha / 2 \sigma^2`; below that of Mironov, Talwar and Zhang (2019, arXiv
    1908.10530). T steps cost T times as much, and the conversion to epsilon is that of Balle et al. (AISTATS 2020).

    Args:
        noise_multiplier: Sigma, not negative; the noise's standard deviation divided by the sensitivity.
        sampling: q, in [0, 1].
        steps: T, not negative.
        delta: In (0, 1), far below one over the number of units.

    Returns:
        Epsilon, at least 0; infinite without noise.

    Raises:
        ValueError: If an argument is out of range.
        ModuleNotFoundError: If Opacus is not installed.
    """
    known = _known(noise_multiplier, sampling, steps, delta)
    if known is not None:
        return known
    rdp = _opacus().accountants.analysis.rdp
    divergence = rdp.compute_rdp(q=sampling, noise_multiplier=noise_multiplier, steps=steps, orders=ORDERS)
    with _quiet():
        epsilon, _ = rdp.get_privacy_spent(orders=ORDERS, rdp=divergence, delta=delta)
    return max(0.0, float(epsilon))


def prv_epsilon(noise_multiplier: float, sampling: float, steps: int, delta: float) -> float:
    """Epsilon by numerical composition (Gopi et al., NeurIPS 2021, arXiv 2106.02848), tighter than `rdp_epsilon`.

    An upper bound that is at most about 0.02 above the true value. Time and memory grow with epsilon: for one above
    some hundreds, which means nothing anyway, take `rdp_epsilon`.

    Args:
        noise_multiplier: As for `rdp_epsilon`.
        sampling: As for `rdp_epsilon`.
        steps: As for `rdp_epsilon`.
        delta: As for `rdp_epsilon`.

    Returns:
        Epsilon, at least 0; infinite without noise.

    Raises:
        ValueError: If an argument is out of range.
        ModuleNotFoundError: If Opacus is not installed.
    """
    known = _known(noise_multiplier, sampling, steps, delta)
    if known is not None:
        return known
    accountant = _opacus().accountants.PRVAccountant()
    accountant.history = [(noise_multiplier, sampling, steps)]
    with _quiet():
        return max(0.0, float(accountant.get_epsilon(delta=delta)))


def _known(noise_multiplier: float, sampling: float, steps: int, delta: float) -> float | None:
    """Epsilon where it needs no accountant."""
    if not 0 <= noise_multiplier < math.inf:
        raise ValueError(f"noise_multiplier: expected a finite number of at least 0, got {noise_multiplier}")
    if not 0 <= sampling <= 1:
        raise ValueError(f"sampling: expected a probability in [0, 1], got {sampling}")
    if steps < 0:
        raise ValueError(f"steps: expected at least 0, got {steps}")
    if not 0 < delta < 1:
        raise ValueError(f"delta: expected a probability in (0, 1), got {delta}")
    if sampling == 0 or steps == 0:
        return 0.0
    return math.inf if noise_multiplier == 0 else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings that the best order is the first or last (the bound holds), and of log(1 - q) for q = 1."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield


def _opacus() -> Any:
    try:
        import opacus.accountants.analysis.rdp
    except ModuleNotFoundError as error:
        message = f"Opacus is not installed, and the privacy accountants need it. Install it: {INSTALL}"
        raise ModuleNotFoundError(message) from error
    return opacus
