import numpy as np
import pytest
import torch

from graphml.spectral import GRID_SIZE, cell_widths, grid_edges, spectral_grid


def test_nodes_are_numpys_chebyshev_nodes_on_zero_to_two():
    assert GRID_SIZE == 256
    expected = np.polynomial.chebyshev.chebpts1(256) + 1
    np.testing.assert_allclose(spectral_grid(dtype=torch.float64), expected, atol=1e-14)


def test_cells_tile_zero_to_two_around_the_nodes():
    edges, nodes = grid_edges(dtype=torch.float64), spectral_grid(dtype=torch.float64)
    assert edges.shape == (257,)
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(2, abs=1e-15)
    assert ((edges[:-1] < nodes) & (nodes < edges[1:])).all()
    torch.testing.assert_close(cell_widths(dtype=torch.float64), edges.diff())
    assert cell_widths().sum() == pytest.approx(2)


def test_sum_over_cells_approximates_an_integral():
    nodes, widths = spectral_grid(dtype=torch.float64), cell_widths(dtype=torch.float64)
    assert (torch.exp(nodes) * widths).sum() == pytest.approx(np.exp(2) - 1, rel=1e-4)


@pytest.mark.parametrize("function", [spectral_grid, grid_edges, cell_widths])
def test_type_and_device_are_those_asked_for(function):
    assert function().dtype == torch.float32
    assert function("meta", torch.float64).device.type == "meta"
    assert function(dtype=torch.float64).dtype == torch.float64
