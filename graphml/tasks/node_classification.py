"""Semi-supervised node classification: the encoder and a linear head under cross-entropy."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models import WaveletEncoder
from graphml.tasks.node_mean import NodeMeanTask
from graphml.tasks.task import num_seeds


class NodeClassificationTask(NodeMeanTask):
    """Trains an encoder with the labels of the first split's training nodes.

    Args:
        in_channels: Number of features of a node (linked from the datamodule on the command line).
        num_classes: Number of classes (linked as well).
        encoder: Class or partial that makes the encoder from ``in_channels``; default ``WaveletEncoder``. (``None``
            stands for it because the command line would hand the default class's options on to any other class.)
        model: Class or partial that makes a whole classifier from ``in_channels`` and ``num_classes``, such as
            ``graphml.models.GCN``; instead of an encoder and the linear head.
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
        model: Callable[[int, int], nn.Module] | None = None,
        lr: float = 1e-2,
        weight_decay: float = 5e-4,
        filter_lr: float | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if model is None:
            self.encoder = (encoder or WaveletEncoder)(in_channels)
            self.head: nn.Module = nn.Linear(self.encoder.out_channels, num_classes)  # type: ignore[arg-type]
        elif encoder is None:
            self.encoder, self.head = model(in_channels, num_classes), nn.Identity()
        else:
            raise ValueError("model: it has its own encoder, so expected either encoder or model, got both")
        self.lr = lr
        self.weight_decay = weight_decay
        self.filter_lr = lr if filter_lr is None else filter_lr

    def node_losses(self, model: nn.Module, batch: Any, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of ``model`` on each of the batch's training nodes, and whether it is right there."""
        logits, y = self._chosen(model, batch, "train")
        return {"loss": F.cross_entropy(logits, y, reduction="none"), "accuracy": (logits.argmax(1) == y).float()}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Nodes of the stage, how many of them are named rightly, and the sum of their cross-entropies."""
        logits, y = self._chosen(model, batch, stage)
        loss = F.cross_entropy(logits.double(), y, reduction="sum")
        return {"loss": loss, "correct": (logits.argmax(1) == y).sum(), "count": torch.tensor(len(y))}

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Mean cross-entropy and accuracy."""
        count = max(int(counts["count"]), 1)
        return {"loss": float(counts["loss"]) / count, "accuracy": float(counts["correct"]) / count}

    def _chosen(self, model: nn.Module, batch: Any, stage: str) -> tuple[Tensor, Tensor]:
        """Logits and labels of the stage's (seed) nodes."""
        chosen = getattr(batch, f"{stage}_mask")[: num_seeds(batch)].nonzero().squeeze(1)
        return model(batch)[chosen], batch.y[chosen]

    def forward(self, batch: Any) -> Tensor:
        """Logits ``[num_seeds, num_classes]`` of the batch's (seed) nodes."""
        z = self.encoder(batch.x, batch.edge_index, batch.edge_weight, getattr(batch, "density", None))
        logits: Tensor = self.head(z[: num_seeds(batch)])
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One step on the training nodes."""
        with self.seeded(self.batches_seen) as generator:
            loss, metrics = self.loss(self.network, batch, generator)
        self._log("train", metrics, int(batch.train_mask[: num_seeds(batch)].sum()))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Loss and accuracy on the validation nodes."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Loss and accuracy on the test nodes."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: Any, stage: str) -> None:
        counts = self.counts(self.network, batch, stage)
        self._log(stage, self.metrics(counts), int(counts["count"]))

    def _log(self, stage: str, metrics: Mapping[str, Tensor | float], size: int) -> None:
        if size:
            values = {f"{stage}_{name}": value for name, value in metrics.items()}
            self.log_dict(values, prog_bar=True, on_step=False, on_epoch=True, batch_size=size)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Class probabilities of the batch's nodes."""
        logits: Tensor = self(batch)
        return logits.softmax(dim=1)
