"""Spectral density without eigendecomposition, filter kernels, and polynomials fitted to the spectrum."""

from graphml.spectral.density import SpectralDensity
from graphml.spectral.filters import FilterBank
from graphml.spectral.grid import GRID_SIZE, cell_widths, grid_edges, spectral_grid
from graphml.spectral.kernels import (
    KERNELS,
    Abspline,
    FilterKernel,
    Heat,
    MexicanHat,
    Meyer,
    ScalingFunction,
    XExp,
    get_kernel,
)
from graphml.spectral.polynomial import (
    ChebyshevExpansion,
    LeastSquaresFit,
    PolynomialFit,
    chebyshev_vandermonde,
    get_fit,
)

__all__ = [
    "GRID_SIZE",
    "KERNELS",
    "Abspline",
    "ChebyshevExpansion",
    "FilterBank",
    "FilterKernel",
    "Heat",
    "LeastSquaresFit",
    "MexicanHat",
    "Meyer",
    "PolynomialFit",
    "ScalingFunction",
    "SpectralDensity",
    "XExp",
    "cell_widths",
    "chebyshev_vandermonde",
    "get_fit",
    "get_kernel",
    "grid_edges",
    "spectral_grid",
]
