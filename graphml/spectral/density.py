"""Spectral density of the normalised Laplacian by the kernel polynomial method (KPM).

Fan, Shuman, Ubaru, Saad, "Spectrum-adapted polynomial approximation for matrix functions", arXiv 1808.09506: moments
of a few random probes give the number of eigenvalues below any point, with Jackson damping against ringing; a monotone
interpolation of these counts is the cumulative density. No eigenvalue is ever computed.

One addition, ours: the multiplicities of the eigenvalues 0 and 2 are known exactly, without any linear algebra, as the
number of components that hold an edge and the number of those that are bipartite. They are taken out of the moments and
put back as atoms. KPM alone smears them (11.7 % of CiteSeer's eigenvalues are exactly 0) and a fit weighted by the
smeared density loses to the plain Chebyshev expansion at high order.
"""

import math

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from scipy.sparse import bmat, coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric import EdgeIndex

from graphml.ops import adjacency_pattern, spmm, symmetric_normalize
from graphml.spectral.grid import GRID_SIZE, grid_edges

_NUM_KNOTS = 64


class SpectralDensity:
    """Cumulative distribution and density of the eigenvalues in [0, 2] of the symmetric normalised Laplacian.

    Args:
        moments: ``[order + 1]`` estimates of ``trace T_j(L - I) / N``, the first of them 1.
        atoms: Fractions of the eigenvalues that are exactly 0 and exactly 2.
    """

    def __init__(self, moments: Tensor, atoms: tuple[float, float] = (0.0, 0.0)) -> None:
        if moments.dim() != 1 or moments.numel() < 2:
            raise ValueError(f"moments: expected a vector of at least 2 values, got shape {tuple(moments.shape)}")
        self.moments = moments.double().cpu()
        self.atoms = atoms
        self._mass = max(0.0, 1 - sum(atoms))
        sign = (-1.0) ** np.arange(moments.numel())
        continuous = self.moments.numpy() - atoms[0] * sign - atoms[1]
        knots = np.linspace(0.0, 2.0, _NUM_KNOTS)
        counts = np.maximum.accumulate(_counts_below(continuous, knots - 1.0))
        total = counts[-1] - counts[0]
        counts = (counts - counts[0]) * (self._mass / total if total > 0 else 0.0)
        self._cdf = PchipInterpolator(knots, counts)
        self._pdf = self._cdf.derivative()

    @classmethod
    def estimate(
        cls,
        edge_index: Tensor,
        num_nodes: int,
        order: int = 30,
        num_probes: int = 10,
        generator: torch.Generator | None = None,
    ) -> "SpectralDensity":
        """Estimate the density of a graph from random probes, on the device that holds ``edge_index``.

        Args:
            edge_index: ``[2, E]`` symmetric edge list; self-loops, if there are, are part of the graph.
            num_nodes: Number of nodes N.
            order: Number of Chebyshev moments; ``order`` sparse products of ``[N, num_probes]``.
            num_probes: Number of Rademacher probes.
            generator: CPU generator of the probes; default: seeded with 0, so that a graph has one density.

        Raises:
            ValueError: ``order``, ``num_probes`` or ``num_nodes`` below 1.
        """
        if order < 1 or num_probes < 1 or num_nodes < 1:
            raise ValueError(
                "order, num_probes, num_nodes: expected integers >= 1, "
                f"got order={order}, num_probes={num_probes}, num_nodes={num_nodes}"
            )
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        probes = torch.randint(0, 2, (num_nodes, num_probes), generator=generator).mul_(2).sub_(1)
        probes = probes.to(edge_index.device, torch.float32)
        pattern = adjacency_pattern(edge_index, num_nodes)
        weight = -pattern.in_order(symmetric_normalize(edge_index, None, num_nodes))
        before, now = probes, spmm(pattern, weight, probes)
        moments = [1.0, float((probes * now).mean())]
        for _ in range(order - 1):
            before, now = now, 2 * spmm(pattern, weight, now) - before
            moments.append(float((probes * now).mean()))
        return cls(torch.tensor(moments, dtype=torch.float64), _exact_atoms(edge_index, num_nodes))

    def cdf(self, x: Tensor) -> Tensor:
        """Fraction of eigenvalues at most ``x`` (any shape, clipped to [0, 2]); float32 in [0, 1]."""
        below = self._evaluate(self._cdf, x) + self.atoms[0] + self.atoms[1] * (x >= 2)
        return below.clamp(0, 1)

    def pdf(self, x: Tensor) -> Tensor:
        """Density of the continuous part at ``x`` (any shape, clipped to [0, 2]); float32, non-negative.

        Its integral over [0, 2] is 1 less the two atoms.
        """
        return self._evaluate(self._pdf, x).clamp(min=0)

    def on_grid(self) -> Tensor:
        """``[GRID_SIZE]`` float32 share of the eigenvalues in each cell of the grid, atoms included, scaled to mean 1.

        This is what a graph carries as ``data.density`` and what a polynomial fit takes as its weights.
        """
        mass = self._evaluate(self._cdf, grid_edges(dtype=torch.float64)).diff().clamp(min=0)
        mass[0] += self.atoms[0]
        mass[-1] += self.atoms[1]
        return mass * (GRID_SIZE / mass.sum())

    @staticmethod
    def _evaluate(function: PchipInterpolator, x: Tensor) -> Tensor:
        values = function(x.detach().double().cpu().clamp(0, 2).numpy())
        return torch.as_tensor(values, dtype=torch.float32, device=x.device)


def _exact_atoms(edge_index: Tensor, num_nodes: int) -> tuple[float, float]:
    """Fractions of the eigenvalues 0 and 2: components with an edge, and the bipartite ones among them.

    A bipartite component falls into two in the double cover of the graph, one with a self-loop never does. A node
    without any edge has eigenvalue 1.
    """
    edges = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
    row, col = edges.cpu().numpy()
    adjacency = coo_array((np.ones(row.size, dtype=np.int8), (row, col)), shape=(num_nodes, num_nodes)).tocsr()
    isolated = num_nodes - np.union1d(row, col).size
    components = connected_components(adjacency, directed=False)[0] - isolated
    cover = bmat([[None, adjacency], [adjacency.T, None]], format="csr")
    bipartite = connected_components(cover, directed=False)[0] - 2 * isolated - components
    return components / num_nodes, bipartite / num_nodes


def _counts_below(moments: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Fraction of eigenvalues of ``L - I`` in [-1, b] for each b of ``points``: Jackson-damped step expansion."""
    order = len(moments) - 1
    j = np.arange(1, order + 1)
    alpha = math.pi / (order + 2)
    damping = (
        (1 - j / (order + 2)) * math.sin(alpha) * np.cos(j * alpha) + math.cos(alpha) * np.sin(j * alpha) / (order + 2)
    ) / math.sin(alpha)
    angle = np.arccos(points)[:, None]
    # sin(j arccos(-1)) = sin(j pi) = 0: the left end of the interval contributes to c_0 alone.
    steps = -(2 / math.pi) * np.sin(j * angle) / j
    counts: np.ndarray = (math.pi - angle[:, 0]) / math.pi * moments[0] + steps @ (damping * moments[1:])
    return counts
