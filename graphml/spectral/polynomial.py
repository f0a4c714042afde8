"""Polynomial approximation of spectral filters in the Chebyshev basis.

Every fit is linear in the filter's values on the grid: ``coefficients = P g(grid)`` with
``P = (V^T Omega V + eps I)^-1 V^T Omega``. The three fits are three weightings Omega of the Chebyshev nodes: the
spectral density, equal weight per unit of lambda, and equal weight per node, for which V is orthogonal and P is the
truncated Chebyshev expansion. P depends on the graph alone; the coefficients are differentiable in the filter's scales.
Fan et al., arXiv 1808.09506; Opolka et al. (WGGP), arXiv 2110.12752; Hammond et al. 2011.
"""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from graphml.spectral.grid import GRID_SIZE, cell_widths, spectral_grid

_RIDGE = 1e-10


def chebyshev_vandermonde(lam: Tensor, order: int) -> Tensor:
    """``[S, order + 1]`` values ``T_k(lambda - 1)`` at eigenvalues ``lam`` ``[S]`` in [0, 2]."""
    x = lam - 1
    columns = [torch.ones_like(x), x]
    for _ in range(order - 1):
        columns.append(2 * x * columns[-1] - columns[-2])
    return torch.stack(columns[: order + 1], dim=1)


class PolynomialFit(nn.Module):
    """Density-weighted least squares: accurate where eigenvalues are.

    Args:
        order: Degree K >= 0 of the polynomials.
    """

    def __init__(self, order: int) -> None:
        super().__init__()
        if order < 0:
            raise ValueError(f"order: expected a degree >= 0, got {order}")
        self.order = order
        self._place(torch.device("cpu"))

    def _place(self, device: torch.device) -> None:
        """Put the constants on ``device``, always in float64 (which MPS lacks: there they stay on the CPU)."""
        self.grid = spectral_grid("cpu" if device.type == "mps" else device, torch.float64)
        self.vandermonde = chebyshev_vandermonde(self.grid, self.order)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow a module that moves, but not one that is cast: in half precision the fit would be wrong."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._place(fn(torch.empty(0)).device)
        return self

    def weights(self, density: Tensor | None) -> Tensor:
        """``[..., GRID_SIZE]`` diagonal of Omega: the density, or equal weight per unit of lambda without one."""
        if density is None:
            return cell_widths(self.grid.device, self.grid.dtype)
        if density.shape[-1:] != (GRID_SIZE,):
            raise ValueError(f"density: expected shape ({GRID_SIZE},), got {tuple(density.shape)}")
        return density.to(self.grid)

    def projection(self, density: Tensor | None = None) -> Tensor:
        """``[..., order + 1, GRID_SIZE]`` matrix P of each ``density`` ``[..., GRID_SIZE]``.

        Args:
            density: As :meth:`SpectralDensity.on_grid` gives it, one or many; ``None`` for equal weight.
        """
        omega = self.weights(density)
        weighted = self.vandermonde.T * (omega / omega.sum(-1, keepdim=True)).unsqueeze(-2)
        ridge = _RIDGE * torch.eye(self.order + 1, dtype=weighted.dtype, device=weighted.device)
        out: Tensor = torch.linalg.solve(weighted @ self.vandermonde + ridge, weighted)
        return out

    def forward(self, response: Tensor, density: Tensor | None = None) -> Tensor:
        """Chebyshev coefficients ``[..., order + 1]`` of filters with values ``response`` ``[..., S]`` on ``grid``."""
        return response @ self.projection(density).to(response).mT

    def extra_repr(self) -> str:
        """The degree."""
        return f"order={self.order}"


class LeastSquaresFit(PolynomialFit):
    """Plain least squares, equal weight per unit of lambda: the ablation that ignores the density."""

    def weights(self, density: Tensor | None) -> Tensor:
        """``[GRID_SIZE]`` widths of the grid's cells."""
        return super().weights(None)


class ChebyshevExpansion(PolynomialFit):
    """Truncated Chebyshev series by Gauss-Chebyshev quadrature: equal weight per node; ignores the density."""

    def weights(self, density: Tensor | None) -> Tensor:
        """``[GRID_SIZE]`` ones."""
        return torch.ones_like(self.grid)


_FITS: dict[str, type[PolynomialFit]] = {
    "weighted": PolynomialFit,
    "plain": LeastSquaresFit,
    "chebyshev": ChebyshevExpansion,
}


def get_fit(name: str, order: int) -> PolynomialFit:
    """Fit by name: ``weighted`` (by the density), ``plain`` or ``chebyshev``.

    Raises:
        ValueError: An unknown name; the message lists the known ones.
    """
    if name not in _FITS:
        raise ValueError(f"fit: expected one of {sorted(_FITS)}, got {name!r}")
    return _FITS[name](order)
