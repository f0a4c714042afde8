"""The fixed grid on which every spectral density of the library is tabulated: Chebyshev nodes of [0, 2]."""

import math

import torch
from torch import Tensor

GRID_SIZE = 256
"""Number of points S of the grid: one size for all graphs, so that a density is an ordinary ``[S]`` buffer."""


def _angles(device: torch.device | str | None, dtype: torch.dtype) -> Tensor:
    return torch.arange(GRID_SIZE + 1, device=device, dtype=dtype) * (math.pi / GRID_SIZE)


def spectral_grid(device: torch.device | str | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """``[S]`` Chebyshev nodes ``1 - cos(theta)`` in ascending order, dense at 0 and at 2 where eigenvalues pile up."""
    return 1 - torch.cos(_angles(device, dtype)[:-1] + math.pi / (2 * GRID_SIZE))


def grid_edges(device: torch.device | str | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """``[S + 1]`` ends of the cells around the nodes, from 0 to 2."""
    return 1 - torch.cos(_angles(device, dtype))


def cell_widths(device: torch.device | str | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """``[S]`` widths of the cells; a tabulated density divided by ``S * width`` is a density per unit of lambda."""
    return grid_edges(device, dtype).diff()
