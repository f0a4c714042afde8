"""Lightning callbacks that the command line adds to every run."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BasePredictionWriter, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor

from graphml.io import atomic_write


class PredictionWriter(BasePredictionWriter):
    """Writes what ``predict`` returns to ``predictions.pt`` in the log folder.

    One tensor where each batch gives a tensor (the batches end to end), else the list of what the batches gave.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="epoch")

    def write_on_epoch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Write the file.

        Args:
            trainer: The trainer, which knows the log folder.
            pl_module: Unused.
            predictions: What ``predict_step`` returned for each batch.
            batch_indices: Unused: the loaders that predict keep the order.
        """
        batches = [batch.cpu() if isinstance(batch, Tensor) else batch for batch in predictions]
        joined = torch.cat(batches) if all(isinstance(batch, Tensor) for batch in batches) else batches
        with atomic_write(Path(trainer.log_dir or trainer.default_root_dir) / "predictions.pt") as path:
            torch.save(joined, path)


class SparseCheckpoint(ModelCheckpoint):
    """Keeps the latest state, written at the end of training and at most once in an interval before it.

    Lightning writes one after each epoch. An epoch on a full graph is a single step, often faster than the writing.

    Args:
        seconds: Least time between two checkpoints on the way.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__(save_on_train_epoch_end=True)
        self.seconds = seconds
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a checkpoint if it is time.

        Args:
            trainer: The trainer, which knows whether this epoch is the last.
            pl_module: What is trained.
        """
        steps_done = trainer.global_step == trainer.max_steps
        last = trainer.current_epoch + 1 == trainer.max_epochs or steps_done or trainer.should_stop
        if last or time.monotonic() - self._written >= self.seconds:
            super().on_train_epoch_end(trainer, pl_module)
            self._written = time.monotonic()


class EpochProgressBar(TQDMProgressBar):
    """One bar over the epochs where an epoch is a single batch; Lightning's own bars where it is more."""

    def __init__(self) -> None:
        super().__init__()
        self.over_epochs = False

    def on_train_start(self, *args: Any) -> None:
        """Open the bar.

        Args:
            *args: The trainer and what is trained.
        """
        super().on_train_start(*args)
        trainer: pl.Trainer = args[0]
        self.over_epochs = trainer.num_training_batches == 1
        if self.over_epochs:
            self.train_progress_bar.reset(None if trainer.max_epochs == -1 else trainer.max_epochs)
            self.train_progress_bar.set_description("Epochs")

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """Leave the bar over the epochs as it is.

        Args:
            trainer: The trainer.
            *args: What is trained.
        """
        if not self.over_epochs:
            super().on_train_epoch_start(trainer, *args)

    def on_train_batch_end(self, *args: Any) -> None:
        """Leave the bar over the epochs as it is.

        Args:
            *args: The trainer, what is trained, and the batch.
        """
        if not self.over_epochs:
            super().on_train_batch_end(*args)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move the bar on.

        Args:
            trainer: The trainer.
            pl_module: What is trained.
        """
        super().on_train_epoch_end(trainer, pl_module)
        if self.over_epochs:
            self.train_progress_bar.update(trainer.current_epoch + 1 - self.train_progress_bar.n)

    def init_validation_tqdm(self) -> Tqdm:
        """Return the bar of a validation; one over a single batch would only flicker.

        Returns:
            The bar.
        """
        return Tqdm(disable=True) if self.over_epochs else super().init_validation_tqdm()

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int | str | float | Any]:
        """Return what stands beside the bar.

        Args:
            trainer: The trainer.
            pl_module: What is trained.

        Returns:
            The metrics of the progress bar, without the number of the log folder.
        """
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
