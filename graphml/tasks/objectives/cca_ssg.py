"""CCA-SSG: agreement of two views and decorrelated dimensions."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import cca_loss
from graphml.tasks.objectives.objective import TwoViewObjective


class CCASSG(TwoViewObjective):
    """Canonical correlation of two views, no projector (Zhang et al., NeurIPS 2021, arXiv 2106.12484).

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        trade_off: Weight of the decorrelation.
        edge_drop: Probabilities of dropping an edge in the first and in the second view.
        feature_mask: Probabilities of masking a feature in the first and in the second view.
    """

    def __init__(
        self,
        encoder: nn.Module,
        trade_off: float = 1e-3,
        edge_drop: tuple[float, float] = (0.4, 0.4),
        feature_mask: tuple[float, float] = (0.1, 0.1),
    ) -> None:
        super().__init__(encoder, edge_drop, feature_mask)
        self.trade_off = trade_off

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of one pair of views."""
        return cca_loss(*self.embed(encoder, batch, generator), self.trade_off)
