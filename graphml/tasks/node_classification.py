"""Semi-supervised node classification: the encoder and a linear head under cross-entropy."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models import WaveletEncoder
from graphml.tasks.task import Task, num_seeds


class NodeClassificationTask(Task):
    """Trains an encoder with the labels of the first split's training nodes.

    Args:
        in_channels: Number of features of a node (linked from the datamodule on the command line).
        num_classes: Number of classes (linked as well).
        encoder: Class or partial that makes the encoder from ``in_channels``; default ``WaveletEncoder``. (``None``
            stands for it because the command line would hand the default class's options on to any other class.)
        lr: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
        filter_lr: Learning rate of the encoder's ``filter_parameters`` (scales, mixing weights), which have no weight
            decay; default ``lr``.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        encoder: Callable[[int], nn.Module] | None = None,
        lr: float = 1e-2,
        weight_decay: float = 5e-4,
        filter_lr: float | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder = (encoder or WaveletEncoder)(in_channels)
        self.head = nn.Linear(self.encoder.out_channels, num_classes)  # type: ignore[arg-type]
        self.lr = lr
        self.weight_decay = weight_decay
        self.filter_lr = lr if filter_lr is None else filter_lr

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of ``model`` on the batch's training nodes, and its accuracy there."""
        return self._evaluate(model, batch, batch.train_mask)

    def _evaluate(self, model: nn.Module, batch: Any, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = mask[: num_seeds(batch)].nonzero().squeeze(1)
        logits, y = model(batch)[chosen], batch.y[chosen]
        loss = F.cross_entropy(logits, y) if chosen.numel() else logits.sum()
        correct = (logits.argmax(1) == y).float()
        return loss, {"loss": loss.detach(), "accuracy": correct.mean() if chosen.numel() else loss.new_zeros(())}

    def forward(self, batch: Any) -> Tensor:
        """Logits ``[num_seeds, num_classes]`` of the batch's (seed) nodes."""
        z = self.encoder(batch.x, batch.edge_index, batch.edge_weight, getattr(batch, "density", None))
        logits: Tensor = self.head(z[: num_seeds(batch)])
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One step on the training nodes."""
        with self.seeded(self.batches_seen) as generator:
            loss, metrics = self.loss(self, batch, generator)
        self._log("train", metrics, batch.train_mask[: num_seeds(batch)])
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Loss and accuracy on the validation nodes."""
        self._log("val", self._evaluate(self, batch, batch.val_mask)[1], batch.val_mask[: num_seeds(batch)])

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Loss and accuracy on the test nodes."""
        self._log("test", self._evaluate(self, batch, batch.test_mask)[1], batch.test_mask[: num_seeds(batch)])

    def _log(self, stage: str, metrics: dict[str, Tensor], mask: Tensor) -> None:
        size = int(mask.sum())
        if size:
            values = {f"{stage}_{name}": value for name, value in metrics.items()}
            self.log_dict(values, prog_bar=True, on_step=False, on_epoch=True, batch_size=size)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Class probabilities of the batch's nodes."""
        logits: Tensor = self(batch)
        return logits.softmax(dim=1)
