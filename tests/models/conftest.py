"""A small graph in the form that encoders take, and its exact spectrum."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch_geometric.utils import erdos_renyi_graph, get_laplacian, to_dense_adj

from graphml.ops import symmetric_normalize
from graphml.spectral import SpectralDensity


class Graph(NamedTuple):
    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    density: Tensor
    eigenvalues: Tensor
    eigenvectors: Tensor

    def filter(self, response: Tensor, signal: Tensor) -> Tensor:
        """Dense spectral filtering: ``response`` ``[N]`` on the eigenvalues."""
        return self.eigenvectors @ (response[:, None] * (self.eigenvectors.T @ signal))


@pytest.fixture
def graph() -> Graph:
    """Thirty nodes, two of them isolated; few features are not zero."""
    torch.manual_seed(0)
    num_nodes = 30
    edges = erdos_renyi_graph(num_nodes - 2, 0.2)
    edges = edges[:, torch.randperm(edges.size(1))]
    x = torch.rand(num_nodes, 7)
    indices, values = get_laplacian(edges, normalization="sym", dtype=torch.float64, num_nodes=num_nodes)
    laplacian = to_dense_adj(indices, edge_attr=values, max_num_nodes=num_nodes)[0]
    eigenvalues, eigenvectors = torch.linalg.eigh(laplacian)
    return Graph(
        x * (x > 0.6),
        edges,
        symmetric_normalize(edges, None, num_nodes),
        SpectralDensity.estimate(edges, num_nodes).on_grid(),
        eigenvalues.clamp(0, 2).float(),
        eigenvectors.float(),
    )
