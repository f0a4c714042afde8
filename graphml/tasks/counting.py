"""What the tasks have in common whose metrics are means over items, such as graphs or queries."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from graphml.tasks.task import Task


class CountingTask(Task):
    """Base of tasks with a ``model``: their steps log what ``loss``, ``counts`` and ``metrics`` say.

    A subclass sets ``model``, ``lr`` and ``weight_decay``. Its counts have a ``count`` of items, and its metrics are
    means over them, so that Lightning's mean over batches, weighted by it, is the metric of all of them.
    """

    model: nn.Module

    @property
    def network(self) -> nn.Module:
        """The model."""
        return self.model

    @abstractmethod
    def num_items(self, batch: Any) -> int:
        """Number of items that the loss of a training batch is the mean of.

        Args:
            batch: A batch of the loader.
        """

    def on_fit_start(self) -> None:
        """Nothing: there is no spectral density to keep."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters."""
        return torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One step on a batch."""
        with self.seeded(self.batches_seen) as generator:
            loss, values = self.loss(self.network, batch, generator)
        named = {f"train_{name}": value for name, value in values.items()}
        self.log_dict(named, prog_bar=True, on_step=False, on_epoch=True, batch_size=self.num_items(batch))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of the validation items."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of the test items."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: Any, stage: str) -> None:
        counts = self.counts(self.network, batch, stage)
        values = {f"{stage}_{name}": value for name, value in self.metrics(counts).items()}
        self.log_dict(values, prog_bar=True, on_step=False, on_epoch=True, batch_size=int(counts["count"]))
