"""PolyGCL's encoder: one low-pass and one high-pass polynomial of Chebyshev interpolation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.nn import FeatureLinear
from graphml.ops import chebyshev_basis


class PolynomialEncoder(nn.Module):
    r"""Learnable low-pass and high-pass Chebyshev filters of a shared projection.

    Chen, Lei, Wei, "PolyGCL: Graph Contrastive Learning via Learnable Spectral Polynomial Filters", ICLR 2024, written
    from the paper's description.

    The filter's values at the K + 1 Chebyshev nodes are monotone by construction: the low pass starts at 2 and falls by
    :math:`\gamma_i \ge 0` (to 0 at the least), the high pass starts at 0 and rises by them. The authors train with
    dropout on features and layers, which this encoder does not have.

    Args:
        in_channels: Number of features of a node.
        hidden_channels: Width of the embedding.
        K: Degree of the polynomials.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), symmetric edges ``[2, E]``, ready weights
          ``[E]``; a density is taken and ignored
        - **output:** ``[N, out_channels]``
    """

    angles: Tensor

    def __init__(self, in_channels: int, hidden_channels: int = 256, K: int = 10) -> None:
        super().__init__()
        if K < 1:
            raise ValueError(f"K: expected a polynomial degree >= 1, got {K}")
        self.in_channels = in_channels
        self.out_channels = hidden_channels
        self.K = K
        self.project = FeatureLinear(in_channels, hidden_channels, bias=False)
        self.bias = nn.Parameter(torch.empty(hidden_channels))
        self.steps = nn.Parameter(torch.empty(2, K))
        self.share = nn.Parameter(torch.empty(2))
        # Descending angles: the nodes cos(angle) ascend from -1 (lambda 0) to 1 (lambda 2).
        angles = math.pi * (torch.arange(K, -1, -1, dtype=torch.float32) + 0.5) / (K + 1)
        self.register_buffer("angles", angles, persistent=False)
        self.reset_parameters()

    def filter_parameters(self) -> list[nn.Parameter]:
        """Filter values and their shares: few, of order 1, and worth a learning rate of their own."""
        return [self.steps, self.share]

    def reset_parameters(self) -> None:
        """Reset the projection, the filters and their shares in the embedding."""
        self.project.reset_parameters()
        nn.init.zeros_(self.bias)
        nn.init.constant_(self.steps, 2.0 / self.K)
        nn.init.constant_(self.share, 0.5)

    def node_values(self) -> Tensor:
        """``[2, K + 1]`` values of the low pass and of the high pass at the nodes, lambda ascending."""
        fall, rise = F.pad(F.relu(self.steps), (1, 0)).cumsum(1)
        return torch.stack([F.relu(2 - fall), rise])

    def low_high(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> tuple[Tensor, Tensor]:
        """Low-pass and high-pass embeddings, each ``[N, hidden_channels]``."""
        order = torch.arange(self.K + 1, device=self.angles.device)
        interpolation = torch.cos(self.angles[:, None] * order) * (2 / (self.K + 1))
        interpolation = torch.cat([interpolation[:, :1] / 2, interpolation[:, 1:]], dim=1)
        h = self.project(x)  # before the filters, with which it commutes: fewer channels to filter
        basis = chebyshev_basis(h, edge_index, edge_weight, self.K)
        low, high = ((self.node_values() @ interpolation) @ basis.flatten(1)).view(2, *h.shape)
        return F.relu(low + self.bias), F.relu(high + self.bias)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """Embed the nodes: the weighted sum of the two."""
        low, high = self.low_high(x, edge_index, edge_weight)
        return self.share[0] * low + self.share[1] * high
