"""Classification of whole graphs under cross-entropy."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models import GINGraphClassifier
from graphml.tasks.counting import CountingTask


class GraphClassificationTask(CountingTask):
    """Trains a model of graphs with the labels of the training graphs.

    Args:
        in_channels: Number of features of a node (linked from the datamodule on the command line).
        num_classes: Number of classes (linked as well).
        model: Class or partial that makes the model from ``in_channels`` and ``num_classes``; it maps
            ``(x, edge_index, batch, num_graphs)`` to logits ``[num_graphs, num_classes]``. Default
            ``GINGraphClassifier``.
        lr: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
    """

    monitor = "val_accuracy"  # the command line keeps the checkpoint of the epoch where this is highest

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        model: Callable[[int, int], nn.Module] | None = None,
        lr: float = 1e-2,
        weight_decay: float = 5e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = (model or GINGraphClassifier)(in_channels, num_classes)
        self.lr, self.weight_decay = lr, weight_decay

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy of a model on a batch of graphs, and its accuracy there.

        Args:
            model: The model, such as ``self.network``.
            batch: Graphs with labels, as PyG batches them.
            generator: Unused: dropout draws from the seeded stream.
        """
        logits = _logits(model, batch)
        loss = F.cross_entropy(logits, batch.y)
        accuracy = (logits.argmax(1) == batch.y).float().mean()
        return loss, {"loss": loss.detach(), "accuracy": accuracy}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Sum of the cross-entropies, number of right predictions and of graphs.

        Args:
            model: The model, in evaluation mode.
            batch: Graphs with labels, as PyG batches them.
            stage: Unused: the loader chose the graphs.
        """
        logits = _logits(model, batch)
        return {
            "loss": F.cross_entropy(logits.double(), batch.y, reduction="sum"),
            "correct": (logits.argmax(1) == batch.y).sum(),
            "count": torch.tensor(batch.num_graphs),
        }

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Mean cross-entropy and accuracy.

        Args:
            counts: Sum of what ``counts`` returned.
        """
        count = max(int(counts["count"]), 1)
        return {"loss": float(counts["loss"]) / count, "accuracy": float(counts["correct"]) / count}

    def num_items(self, batch: Any) -> int:
        """Number of graphs."""
        return int(batch.num_graphs)

    def forward(self, batch: Any) -> Tensor:
        """Logits ``[G, num_classes]`` of a batch of G graphs."""
        return _logits(self.model, batch)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Class probabilities ``[G, num_classes]`` of the batch's graphs."""
        return self(batch).softmax(dim=1)  # type: ignore[no-any-return]


def _logits(model: nn.Module, batch: Any) -> Tensor:
    logits: Tensor = model(batch.x, batch.edge_index, batch.batch, batch.num_graphs)
    return logits
