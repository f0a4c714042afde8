"""PolyGCL's objective between low-pass and high-pass embeddings."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import local_global_loss
from graphml.tasks.objectives.objective import corrupt
from graphml.tasks.task import num_seeds


class PolyGCL(nn.Module):
    """Low-pass and high-pass embeddings against the summary of their sum.

    Chen, Lei, Wei, ICLR 2024, from the paper's description; negatives are the embeddings of shuffled features.

    Args:
        encoder: A :class:`~graphml.models.PolynomialEncoder`, or any encoder with ``low_high``.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        if not hasattr(encoder, "low_high"):
            raise ValueError(
                "encoder: PolyGCL needs an encoder with a low_high method, such as graphml.models.PolynomialEncoder, "
                f"got {type(encoder).__name__}"
            )
        channels: int = encoder.out_channels  # type: ignore[assignment]
        self.bilinear = nn.Linear(channels, channels, bias=False)

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of the graph against one corruption of it."""
        x, shuffled = corrupt(batch.x, generator)
        seeds = num_seeds(batch)
        low, high = encoder.low_high(x, batch.edge_index, batch.edge_weight)  # type: ignore[operator]
        low_negative, high_negative = encoder.low_high(shuffled, batch.edge_index, batch.edge_weight)  # type: ignore[operator]
        share: Tensor = encoder.share  # type: ignore[assignment]
        summary = self.bilinear((share[0] * low + share[1] * high)[:seeds].mean(0))
        losses = [
            local_global_loss(positive[:seeds] @ summary, negative[:seeds] @ summary)
            for positive, negative in ((low, low_negative), (high, high_negative))
        ]
        return torch.stack(losses).mean()
