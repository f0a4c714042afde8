"""What the tasks have in common that judge a model by counts: numbers that may be added up over batches and clients."""

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from graphml.tasks.task import Task

Stage = Literal["train", "val", "test"]


class CountingTask(Task):
    """Base of tasks with a ``model``, whose validation and test add up ``counts`` and log ``metrics`` of the sums.

    A subclass sets ``model``, ``lr`` and ``weight_decay``.
    """

    model: nn.Module

    @property
    def network(self) -> nn.Module:
        """What ``loss`` and ``counts`` take as their model."""
        return self.model

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a model on a training batch, and what to log of it.

        Args:
            model: The model, such as ``self.network``.
            batch: A batch of the training data.
            generator: Where the loss draws from.
        """

    @abstractmethod
    def counts(self, model: nn.Module, batch: Any, stage: Stage) -> dict[str, Tensor]:
        """Statistics of the predictions for a stage's items of a batch; those of several batches are added.

        Args:
            model: The model, in evaluation mode.
            batch: A batch of the data.
            stage: Whose items to predict.
        """

    @abstractmethod
    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Metrics of added counts.

        Args:
            counts: Sum of what ``counts`` returned, name by name.
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
        self.log_dict(named, prog_bar=True, on_step=False, on_epoch=True, batch_size=self.size_of(batch))
        return loss

    @abstractmethod
    def size_of(self, batch: Any) -> int:
        """Number of items whose mean the loss of a training batch is."""

    def on_validation_epoch_start(self) -> None:
        """Begin to count."""
        self._totals: dict[str, Tensor] = {}

    def on_test_epoch_start(self) -> None:
        """Begin to count."""
        self._totals = {}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Count the predictions for the validation items."""
        self._add(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Count the predictions for the test items."""
        self._add(batch, "test")

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation items."""
        self._log_totals("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test items."""
        self._log_totals("test")

    def _add(self, batch: Any, stage: Stage) -> None:
        for name, value in self.counts(self.network, batch, stage).items():
            self._totals[name] = self._totals[name] + value if name in self._totals else value

    def _log_totals(self, stage: Stage) -> None:
        values = {f"{stage}_{name}": value for name, value in self.metrics(self._totals).items()}
        self.log_dict(values, prog_bar=True, batch_size=1)  # already a mean over all items
