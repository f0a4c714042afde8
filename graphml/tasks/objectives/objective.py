"""What the objectives share."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.nn import Views
from graphml.ops import as_dense
from graphml.tasks.task import num_seeds


class TwoViewObjective(nn.Module):
    """An objective that compares two stochastic views of one graph.

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        edge_drop: Probabilities of dropping an edge in the first and in the second view.
        feature_mask: Probabilities of masking a feature in the first and in the second view.
        scale_jitter: Noise on wavelet scales, in both views (:class:`graphml.nn.Views`).
        weight_noise: Noise on the encoder's weights, in both views.
    """

    def __init__(
        self,
        encoder: nn.Module,
        edge_drop: tuple[float, float] = (0.3, 0.4),
        feature_mask: tuple[float, float] = (0.3, 0.4),
        scale_jitter: float = 0.0,
        weight_noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels: int = encoder.out_channels  # type: ignore[assignment]
        self.views = nn.ModuleList(
            Views(drop, mask, scale_jitter, weight_noise) for drop, mask in zip(edge_drop, feature_mask, strict=True)
        )

    def embed(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Embeddings ``[num_seeds, d]`` of the batch's nodes in two fresh views."""
        density = getattr(batch, "density", None)
        first, second = (
            views.encode(encoder, batch.x, batch.edge_index, density, generator)[: num_seeds(batch)]  # type: ignore[operator]
            for views in self.views
        )
        return first, second


def corrupt(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Dense features and the same rows in random order: the negative graph of DGI."""
    x = as_dense(x)
    order = torch.randperm(x.size(0), generator=generator, device=generator.device).to(x.device)
    return x, x[order]
