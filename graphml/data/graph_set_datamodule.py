"""Graphs to classify: split by label, served in batches; subclasses say where they come from."""

import abc
import copy
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from graphml.data.neighbor_sampler import EpochShuffle, LateStart
from graphml.data.splits import random_split


class GraphSplit(NamedTuple):
    """Numbers of the graphs of each part, ascending int64.

    Attributes:
        train: Training graphs.
        val: Validation graphs.
        test: Test graphs.
    """

    train: Tensor
    val: Tensor
    test: Tensor


class GraphLoader(LateStart, DataLoader):
    """PyG's loader, which starts late enough for the order of a resumed run's epoch."""


class GraphSetDataModule(pl.LightningDataModule, abc.ABC):
    """Graphs of one or several datasets, ready to train on; each dataset is split by itself.

    Args:
        train_fraction: Share of training graphs, in (0, 1).
        val_fraction: Share of validation graphs, in (0, 1); the rest is for test. Classes keep their shares.
        split_seed: Seed of the split.
        batch_size: Graphs in a batch, at least 1.
        batch_seed: Seed of the order of the training graphs, not negative.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self, train_fraction: float, val_fraction: float, split_seed: int, batch_size: int, batch_seed: int
    ) -> None:
        super().__init__()
        for option, value, least in (("batch_size", batch_size, 1), ("batch_seed", batch_seed, 0)):
            if value < least:
                raise ValueError(f"{option}: expected at least {least}, got {value}")
        self.train_fraction, self.val_fraction, self.split_seed = train_fraction, val_fraction, split_seed
        self.batch_size, self.batch_seed = batch_size, batch_seed
        self._datasets: list[list[Data]] | None = None
        self._split: GraphSplit | None = None

    @abc.abstractmethod
    def _read(self) -> list[list[Data]]:
        """Read the graphs of each dataset."""

    @property
    def datasets(self) -> list[list[Data]]:
        """The graphs of each dataset; read on first use."""
        if self._datasets is None:
            self._datasets = self._read()
        return self._datasets

    @property
    def graphs(self) -> list[Data]:
        """All graphs, one dataset after the other."""
        return [graph for dataset in self.datasets for graph in dataset]

    @property
    def domains(self) -> Tensor:
        """Number of the dataset that each graph is of, int64 [G]."""
        sizes = torch.tensor([len(dataset) for dataset in self.datasets])
        return torch.arange(len(sizes)).repeat_interleave(sizes)

    @property
    def labels(self) -> Tensor:
        """Class of each graph, int64 [G]."""
        return torch.cat([graph.y for graph in self.graphs])

    @property
    def split(self) -> GraphSplit:
        """The three parts; drawn on first use."""
        if self._split is None:
            labels, domains = self.labels, self.domains
            numbers = [(domains == domain).nonzero().squeeze(1) for domain in range(len(self.datasets))]
            parts = [self._draw(labels[chosen], chosen) for chosen in numbers]
            self._split = GraphSplit(*(torch.cat(part) for part in zip(*parts, strict=True)))
        return self._split

    @property
    def in_channels(self) -> int:
        """Number of features F of a node."""
        return int(self.datasets[0][0].x.size(1))

    @property
    def num_classes(self) -> int:
        """Number of classes C, the largest of all datasets."""
        return int(self.labels.max()) + 1

    def setup(self, stage: str) -> None:
        """Read the graphs and split them.

        Args:
            stage: Lightning's stage; all are served by the same graphs.
        """
        self.split  # noqa: B018  # reading is a side effect of the first access

    def train_dataloader(self) -> GraphLoader:
        """Return the training graphs, in another order each epoch."""
        chosen = self._part(self.split.train)
        return GraphLoader(chosen, batch_size=self.batch_size, sampler=EpochShuffle(len(chosen), self.batch_seed))

    def val_dataloader(self) -> GraphLoader:
        """Return the validation graphs in their order."""
        return GraphLoader(self._part(self.split.val), batch_size=self.batch_size)

    def test_dataloader(self) -> GraphLoader:
        """Return the test graphs in their order."""
        return GraphLoader(self._part(self.split.test), batch_size=self.batch_size)

    def predict_dataloader(self) -> GraphLoader:
        """Return all graphs in their order."""
        return GraphLoader(self.graphs, batch_size=self.batch_size)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Cast a batch to the type of the model, which is not float32 under `--trainer.precision 64-true`.

        Args:
            batch: A batch on its device.
            dataloader_idx: Unused; part of Lightning's interface.

        Returns:
            The batch, or a copy in the model's type.
        """
        dtype = self.trainer.lightning_module.dtype if self.trainer is not None else batch.x.dtype
        return batch if batch.x.dtype == dtype else copy.copy(batch).apply(lambda value: value.to(dtype), "x")

    def _draw(self, labels: Tensor, numbers: Tensor) -> list[Tensor]:
        masks = random_split(labels, self.train_fraction, self.val_fraction, num_splits=1, seed=self.split_seed)
        return [numbers[mask[:, 0]] for mask in masks]

    def _part(self, chosen: Tensor) -> list[Data]:
        graphs = self.graphs
        return [graphs[number] for number in chosen.tolist()]
