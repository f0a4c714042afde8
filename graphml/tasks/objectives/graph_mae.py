"""Masked reconstruction of node features."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import scaled_cosine_error
from graphml.ops import adjacency_pattern, as_dense, spmm


class GraphMAE(nn.Module):
    """Reconstruct the features of masked nodes (after Hou et al., "GraphMAE", KDD 2022, arXiv 2205.10803).

    Masked nodes carry a learned token; their codes are masked again before a one-layer graph decoder; the loss is the
    scaled cosine error on the masked nodes alone. The paper's decoder is one GAT or GCN layer; here it is the latter.

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        mask_rate: Share in (0, 1) of nodes that are masked.
        gamma: Exponent of the loss.
    """

    def __init__(self, encoder: nn.Module, mask_rate: float = 0.5, gamma: float = 2.0) -> None:
        super().__init__()
        if not 0 < mask_rate < 1:
            raise ValueError(f"mask_rate: expected a share in (0, 1), got {mask_rate}")
        in_channels: int = encoder.in_channels  # type: ignore[assignment]
        channels: int = encoder.out_channels  # type: ignore[assignment]
        self.mask_rate = mask_rate
        self.gamma = gamma
        self.token = nn.Parameter(torch.zeros(in_channels))
        self.to_decoder = nn.Linear(channels, channels, bias=False)
        self.decoder = nn.Linear(channels, in_channels)

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of one random mask."""
        x = as_dense(batch.x)
        count = max(1, int(self.mask_rate * x.size(0)))
        masked = torch.randperm(x.size(0), generator=generator, device=generator.device)[:count].to(x.device)
        corrupted = x.index_copy(0, masked, self.token.expand(count, -1))
        codes = encoder(corrupted, batch.edge_index, batch.edge_weight, getattr(batch, "density", None))
        codes = self.to_decoder(codes).index_fill(0, masked, 0.0)
        pattern = adjacency_pattern(batch.edge_index, x.size(0))
        decoded = self.decoder(spmm(pattern, pattern.in_order(batch.edge_weight), codes))
        return scaled_cosine_error(decoded[masked], x[masked], self.gamma)
