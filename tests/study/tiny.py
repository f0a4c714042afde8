"""A task and a data module of a few numbers, for tests of the machinery around training."""

import os
import signal
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from graphml.data import DatasetMissingError


class TinyData(pl.LightningDataModule):
    """Eight points; `root` must exist, as that of a real dataset."""

    in_channels = 3
    num_classes = 2

    def __init__(self, root: str | None = None) -> None:
        super().__init__()
        if root is not None and not Path(root).exists():
            raise DatasetMissingError(f"no dataset in {root}")

    def train_dataloader(self) -> DataLoader[Any]:
        points = torch.arange(24, dtype=torch.float32).view(8, 3) / 24
        return DataLoader(TensorDataset(points), batch_size=4)

    test_dataloader = predict_dataloader = train_dataloader


class TinyNamedData(TinyData):
    """Has options that `NodeDataModule` has too, with other defaults."""

    def __init__(self, name: str = "tiny", train_fraction: float = 0.5, batch_seed: int = 0) -> None:
        super().__init__()
        self.options = (name, train_fraction, batch_seed)


class TinyTask(pl.LightningModule):
    """A linear layer; `mode` makes it fail in the ways that runs fail."""

    def __init__(self, in_channels: int, lr: float = 0.1, width: int = 2, mode: str = "") -> None:
        super().__init__()
        refuse(mode)
        self.save_hyperparameters()
        self.layer = nn.Linear(in_channels, width)
        self.lr = lr
        self.mode = mode

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        misbehave(self.mode)
        loss = self.layer(batch[0]).square().mean()
        self.log("train_loss", loss, batch_size=4, on_step=False, on_epoch=True)
        return loss

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        value = self.layer(batch[0]).abs().mean()
        self.log("public/test_accuracy", value.sigmoid(), batch_size=4)
        self.log("random 20/20/60/test_accuracy", value.cos().abs(), batch_size=4)
        self.log("norm", value, batch_size=4)

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        out: Tensor = self.layer(batch[0])
        return out

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class TinyClassifier(TinyTask):
    """Takes the number of classes too."""

    def __init__(self, in_channels: int, num_classes: int, lr: float = 0.1) -> None:
        super().__init__(in_channels, lr, width=num_classes)
        self.num_classes = num_classes


class Plain(TinyTask):
    """Takes neither size from the data."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__(3, lr)


def refuse(mode: str) -> None:
    if mode == "bug":
        raise KeyError(mode)
    try:
        {"refused": {}}.get(mode, {mode: 0})[mode]
    except KeyError as error:
        raise ValueError("mode: expected another one") from error


def misbehave(mode: str) -> None:
    seed = torch.initial_seed()
    if mode == f"raise on {seed}":
        raise RuntimeError(f"seed {seed} is unlucky")
    if mode == f"die on {seed}":
        os.kill(os.getpid(), signal.SIGKILL)
