"""Deep Graph Infomax."""

from typing import Any

import torch
from torch import Tensor, nn

from graphml.losses import local_global_loss
from graphml.tasks.objectives.objective import corrupt
from graphml.tasks.task import num_seeds


class DGI(nn.Module):
    """Tell nodes from nodes with shuffled features by the graph's summary (Velickovic et al., ICLR 2019).

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        channels: int = encoder.out_channels  # type: ignore[assignment]
        self.bilinear = nn.Linear(channels, channels, bias=False)

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of the graph against one corruption of it."""
        x, shuffled = corrupt(batch.x, generator)
        graph = (batch.edge_index, batch.edge_weight, getattr(batch, "density", None))
        positive, negative = (encoder(features, *graph)[: num_seeds(batch)] for features in (x, shuffled))
        summary = self.bilinear(torch.sigmoid(positive.mean(0)))
        return local_global_loss(positive @ summary, negative @ summary)
