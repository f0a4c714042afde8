"""GRACE's objective: InfoNCE between two views, the one that ASWT-SGNN trains with."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import info_nce
from graphml.tasks.objectives.objective import TwoViewObjective


class InfoNCE(TwoViewObjective):
    """Symmetric InfoNCE of two-layer projections of two views (GRACE, arXiv 2006.04131).

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        projection: Width of the projector's layers.
        tau: Temperature.
        edge_drop: Probabilities of dropping an edge in the first and in the second view.
        feature_mask: Probabilities of masking a feature in the first and in the second view.
        scale_jitter: Noise on wavelet scales.
        weight_noise: Noise on the encoder's weights.
        num_samples: Number of nodes drawn as anchors and negatives of a step when the batch has more than
            ``sample_above``; the exact loss costs N^2 d.
        sample_above: Largest number of nodes for which every pair is used.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: int = 128,
        tau: float = 0.5,
        edge_drop: tuple[float, float] = (0.3, 0.4),
        feature_mask: tuple[float, float] = (0.3, 0.4),
        scale_jitter: float = 0.0,
        weight_noise: float = 0.0,
        num_samples: int = 2048,
        sample_above: int = 5000,
    ) -> None:
        super().__init__(encoder, edge_drop, feature_mask, scale_jitter, weight_noise)
        if not tau > 0:
            raise ValueError(f"tau: expected a temperature > 0, got {tau}")
        if num_samples < 2:
            raise ValueError(f"num_samples: expected an integer >= 2, got {num_samples}")
        self.projector = nn.Sequential(
            nn.Linear(self.channels, projection), nn.ELU(), nn.Linear(projection, projection)
        )
        self.tau = tau
        self.num_samples = num_samples
        self.sample_above = sample_above

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of one pair of views."""
        first, second = self.embed(encoder, batch, generator)
        if first.size(0) > self.sample_above:
            chosen = torch.randperm(first.size(0), generator=generator, device=generator.device)[: self.num_samples]
            chosen = chosen.to(first.device)
            first, second = first[chosen], second[chosen]
        return info_nce(self.projector(first), self.projector(second), self.tau)
