"""Two classes of nodes by one logit: logistic regression on what an encoder makes of them."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.tasks.node_classification import NodeClassificationTask


class BinaryNodeClassificationTask(NodeClassificationTask):
    """Trains an encoder and a head of a single logit, that of class 1, by the labels 0 and 1 of the training nodes.

    With ``graphml.models.IdentityEncoder`` it is logistic regression, with half the parameters of
    `NodeClassificationTask`, whose two logits matter by their difference alone.

    Args:
        in_channels: Number of features of a node (linked from the datamodule on the command line).
        num_classes: Number of classes (linked as well), which must be 2.
        encoder: Class or partial that makes the encoder from ``in_channels``; default ``WaveletEncoder``.
        lr: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
        filter_lr: Learning rate of the encoder's ``filter_parameters``; default ``lr``.

    Raises:
        ValueError: If there are more or fewer classes.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int = 2,
        encoder: Callable[[int], nn.Module] | None = None,
        lr: float = 1e-2,
        weight_decay: float = 5e-4,
        filter_lr: float | None = None,
    ) -> None:
        if num_classes != 2:
            raise ValueError(f"num_classes: expected 2, which one logit tells apart, got {num_classes}")
        super().__init__(in_channels, num_classes, encoder, None, lr, weight_decay, filter_lr)
        self.head = nn.Linear(self.encoder.out_channels, 1)  # type: ignore[arg-type]

    def node_losses(self, model: nn.Module, batch: Any, generator: torch.Generator) -> dict[str, Tensor]:
        """Logistic loss of ``model`` on each of the batch's training nodes, and whether it is right there."""
        logits, y = self._chosen(model, batch, "train")
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], y.to(logits.dtype), reduction="none")
        return {"loss": loss, "accuracy": _is_right(logits, y)}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Nodes of the stage, how many of them are named rightly, and the sum of their logistic losses."""
        logits, y = self._chosen(model, batch, stage)
        loss = F.binary_cross_entropy_with_logits(logits[:, 0].double(), y.double(), reduction="sum")
        return {"loss": loss, "correct": _is_right(logits, y).long().sum(), "count": torch.tensor(len(y))}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Probabilities ``[num_seeds, 2]`` of the classes."""
        logit: Tensor = self(batch)
        return torch.cat([-logit, logit], dim=1).sigmoid()


def _is_right(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits[:, 0] > 0) == (y == 1)).float()
