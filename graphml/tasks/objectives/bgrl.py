"""BGRL: bootstrapped embeddings without negatives."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import bootstrap_loss
from graphml.tasks.objectives.objective import TwoViewObjective


class BGRL(TwoViewObjective):
    """Predict a moving-average copy's embedding of the other view (Thakoor et al., ICLR 2022, arXiv 2102.06514).

    The target follows the encoder before each training step, which is after each optimiser step of the paper. The paper
    raises the momentum to 1 by a cosine over 10,000 steps; here it is constant, for studies of tens of epochs.

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        hidden_channels: Width of the predictor.
        momentum: Share of the old target that each step keeps, in [0, 1].
        edge_drop: Probabilities of dropping an edge in the first and in the second view.
        feature_mask: Probabilities of masking a feature in the first and in the second view.
    """

    def __init__(
        self,
        encoder: nn.Module,
        hidden_channels: int = 512,
        momentum: float = 0.99,
        edge_drop: tuple[float, float] = (0.2, 0.3),
        feature_mask: tuple[float, float] = (0.3, 0.4),
    ) -> None:
        super().__init__(encoder, edge_drop, feature_mask)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum: expected a share in [0, 1], got {momentum}")
        self.momentum = momentum
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.predictor = nn.Sequential(
            nn.Linear(self.channels, hidden_channels), nn.PReLU(), nn.Linear(hidden_channels, self.channels)
        )

    @torch.no_grad()
    def _follow(self, encoder: nn.Module) -> None:
        for target, online in zip(self.target.parameters(), encoder.parameters(), strict=True):
            target.lerp_(online, 1 - self.momentum)

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of one pair of views, each predicting the other."""
        if self.training:
            self._follow(encoder)
        state = generator.get_state()
        first, second = self.embed(encoder, batch, generator)
        generator.set_state(state)  # the target sees the very same two views
        with torch.no_grad():
            target_first, target_second = self.embed(self.target, batch, generator)
        return bootstrap_loss(self.predictor(first), target_second) + bootstrap_loss(
            self.predictor(second), target_first
        )
