"""The way of data of many small graphs: read once by name, split by label, served in batches."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from graphml.data.graph_datasets import GRAPH_DATASETS, load_graph_dataset
from graphml.data.neighbor_sampler import EpochShuffle, LateStart
from graphml.data.pyg_source import known_name
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


class GraphDataModule(pl.LightningDataModule):
    """A graph classification dataset, ready to train on.

    Args:
        name: "MUTAG", "ENZYMES", "PROTEINS", "NCI1", "AIDS", "BZR", "COX2", "PTC_MR" or "IMDB-BINARY", in any case.
        root: Folder of PyG's `TUDataset`, or one that holds it; default `$GRAPHML_DATA/graphs`.
        train_fraction: Share of training graphs, in (0, 1).
        val_fraction: Share of validation graphs, in (0, 1); the rest is for test. Classes keep their shares.
        split_seed: Seed of the split.
        batch_size: Graphs in a batch, at least 1.
        download: Let PyG download a missing dataset; else nothing touches the network.
        cleaned: Take the version without isomorphic copies, see `load_graph_dataset`.
        batch_seed: Seed of the order of the training graphs, not negative.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        name: str = "MUTAG",
        root: str | None = None,
        train_fraction: float = 0.8,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        batch_size: int = 64,
        download: bool = False,
        cleaned: bool = False,
        batch_seed: int = 0,
    ) -> None:
        super().__init__()
        self.dataset_name = known_name(name, GRAPH_DATASETS)
        for option, value, least in (("batch_size", batch_size, 1), ("batch_seed", batch_seed, 0)):
            if value < least:
                raise ValueError(f"{option}: expected at least {least}, got {value}")
        self.root, self.download, self.cleaned = root, download, cleaned
        self.train_fraction, self.val_fraction, self.split_seed = train_fraction, val_fraction, split_seed
        self.batch_size, self.batch_seed = batch_size, batch_seed
        self._graphs: list[Data] | None = None
        self._split: GraphSplit | None = None

    @classmethod
    def from_graphs(cls, graphs: Sequence[Data], **options: Any) -> Self:
        """Build the module on graphs of your own.

        Args:
            graphs: Graphs with `x` [n, F], `edge_index` [2, e] and one label `y` [1] from 0.
            **options: Options of the class but `name`, `root`, `download` and `cleaned`.

        Returns:
            The module.

        Raises:
            TypeError: If an option names the dataset, which is given.
            ValueError: If a graph lacks a tensor or has one of another form.
        """
        unused = {"name", "root", "download", "cleaned"} & options.keys()
        if unused:
            raise TypeError(f"from_graphs() takes no {', '.join(sorted(unused))}: the graphs are given")
        check_graphs(graphs)
        module = cls(**options)
        module._graphs = list(graphs)
        return module

    @property
    def graphs(self) -> list[Data]:
        """All graphs; read on first use."""
        if self._graphs is None:
            self._graphs = load_graph_dataset(self.dataset_name, self.root, self.cleaned, self.download)
        return self._graphs

    @property
    def labels(self) -> Tensor:
        """Class of each graph, int64 [G]."""
        return torch.cat([graph.y for graph in self.graphs])

    @property
    def split(self) -> GraphSplit:
        """The three parts; drawn on first use."""
        if self._split is None:
            masks = random_split(
                self.labels, self.train_fraction, self.val_fraction, num_splits=1, seed=self.split_seed
            )
            self._split = GraphSplit(*(mask[:, 0].nonzero().squeeze(1) for mask in masks))
        return self._split

    @property
    def in_channels(self) -> int:
        """Number of features F of a node."""
        return int(self.graphs[0].x.size(1))

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
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

    def _part(self, chosen: Tensor) -> list[Data]:
        return [self.graphs[number] for number in chosen.tolist()]


def check_graphs(graphs: Sequence[Data]) -> None:
    """Check that graphs can be classified together.

    Args:
        graphs: Graphs with `x` [n, F], `edge_index` [2, e] and one label `y` [1] from 0.

    Raises:
        ValueError: If there is none, or one lacks a tensor, has other features than the first or no single label.
    """
    if not graphs:
        raise ValueError("graphs: expected at least one, got none")
    for message in _faults(graphs):
        raise ValueError(message)


def _faults(graphs: Sequence[Data]) -> Iterator[str]:
    for number, graph in enumerate(graphs):
        x, y, edges = (graph.get(name) for name in ("x", "y", "edge_index"))
        if x is None or y is None or edges is None:
            yield f"graphs[{number}]: expected x, y and edge_index, got {', '.join(sorted(graph.keys())) or 'nothing'}"
        elif x.dim() != 2 or x.size(1) != graphs[0].x.size(1):
            yield f"graphs[{number}].x: expected [n, {graphs[0].x.size(-1)}] as in the first, got {list(x.shape)}"
        elif y.numel() != 1 or y.is_floating_point() or int(y) < 0:
            yield f"graphs[{number}].y: expected one class from 0, got {y.tolist()}"
        elif edges.numel() and (int(edges.min()) < 0 or int(edges.max()) >= x.size(0)):
            yield f"graphs[{number}].edge_index: expected nodes 0 to {x.size(0) - 1}, got up to {int(edges.max())}"
