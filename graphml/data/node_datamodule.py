"""The one way that node data takes: a graph by name, transformed once, split, and served in full or in batches."""

import copy
from collections.abc import Iterator
from typing import Any, Literal, Self

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.transforms import (
    AddSelfLoops,
    BaseTransform,
    Compose,
    NormalizeFeatures,
    RemoveSelfLoops,
    ToUndirected,
)

from graphml.data.neighbor_sampler import neighbor_loader
from graphml.data.node_datasets import canonical_name, load_geom_gcn_split, load_node_dataset
from graphml.data.splits import NodeSplit, check_classes, public_split, random_split
from graphml.data.transforms import AddSpectralDensity, SymmetricNormalization, ToSortedEdgeIndex, ToSparseFeatures
from graphml.data.validation import validate_graph

SPLITS = ("public", "random", "geom-gcn")


class FullGraphLoader:
    """One batch an epoch: the graph itself, the same object each time.

    Args:
        data: The graph.
    """

    def __init__(self, data: Data) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Data]:
        """Yield the graph once."""
        yield self.data

    def __len__(self) -> int:
        """Return 1."""
        return 1


class NodeDataModule(pl.LightningDataModule):
    """A node classification graph, ready to train on.

    The graph is read and transformed once, when it is first needed. It is symmetric, without duplicate edges, and
    carries all that a layer takes: `x`, `y`, `edge_index` (`EdgeIndex`), `edge_weight` (symmetric normalisation),
    `density` (spectral density without self-loops), `splits` (label to `NodeSplit`) and the three masks of one split.

    Args:
        name: "digits", "karate", "csbm" (embedded), "Cora", "CiteSeer", "PubMed", "Photo", "Computers", "CS",
            "Physics", "WikiCS", "cora_ml", "dblp", "cora_full", "citeseer_full" or "pubmed_full", in any case.
        root: Folder of the PyG class, or one that holds it under the class's name; default `$GRAPHML_DATA/graphs`.
        split: "public", "random" or "geom-gcn", or a list of them; each is a key of `data.splits` ("random" with its
            percentages, such as "random 20/20/60").
        train_fraction: Share of training nodes in random splits, in (0, 1).
        val_fraction: Share of validation nodes in random splits, in (0, 1).
        num_splits: Random splits to draw, at least 1.
        stratify: Keep the classes' shares in random splits.
        split_seed: Seed of the random splits.
        split_index: Column of the first split that `train_mask`, `val_mask` and `test_mask` hold.
        self_loops: Add a self-loop to each node before the normalisation, as a GCN does.
        normalize_features: Scale each node's features to sum to 1.
        sparse_features: Hold the features as a sparse CSR matrix: the first layer is then one sparse product, several
            times faster than the dense one on Cora's bag of words. "auto" does so where the features are sparse
            enough to gain by it. Full graph only.
        density_order: Chebyshev order of the spectral density.
        density_probes: Random probes of the spectral density.
        density_seed: Seed of the probes.
        batch_size: Seed nodes in a batch of sampled neighbours; None serves the full graph.
        num_neighbors: Neighbours to draw per node in each hop, -1 for all. Unused without `batch_size`.
        num_workers: Worker processes that sample. Unused without `batch_size`.
        download: Let PyG download a missing dataset; else nothing touches the network.
        batch_seed: Seed of the batches' order and neighbours, not negative. Unused without `batch_size`.

    Raises:
        ValueError: If an option is unknown or out of range.

    Example:
        >>> from graphml.data import NodeDataModule
        >>> module = NodeDataModule("karate")
        >>> module.num_nodes, module.in_channels, module.num_classes
        (34, 34, 2)
    """

    def __init__(
        self,
        name: str = "digits",
        root: str | None = None,
        split: str | list[str] = "random",
        train_fraction: float = 0.2,
        val_fraction: float = 0.2,
        num_splits: int = 4,
        stratify: bool = True,
        split_seed: int = 0,
        split_index: int = 0,
        self_loops: bool = False,
        normalize_features: bool = False,
        sparse_features: bool | Literal["auto"] = False,
        density_order: int = 30,
        density_probes: int = 10,
        density_seed: int = 0,
        batch_size: int | None = None,
        num_neighbors: list[int] = [10, 10],  # noqa: B006  # never changed, and shown as it is by --help
        num_workers: int = 0,
        download: bool = False,
        batch_seed: int = 0,
    ) -> None:
        super().__init__()
        self.dataset_name = canonical_name(name)
        self.root = root
        self.split_names = [split] if isinstance(split, str) else list(split)
        self.train_fraction, self.val_fraction = train_fraction, val_fraction
        self.num_splits, self.stratify, self.split_seed = num_splits, stratify, split_seed
        self.split_index = split_index
        self.self_loops, self.normalize_features = self_loops, normalize_features
        self.sparse_features = sparse_features
        self.density_order, self.density_probes, self.density_seed = density_order, density_probes, density_seed
        self.batch_size, self.num_neighbors, self.num_workers = batch_size, list(num_neighbors), num_workers
        self.batch_seed = batch_seed
        self.download = download
        self._source: Data | None = None
        self._raw: Data | None = None
        self._data: Data | None = None
        self._check_options()

    @classmethod
    def from_data(cls, data: Data, **options: Any) -> Self:
        """Build the module on a graph of your own.

        Args:
            data: Graph with finite features `x` [N, F], symmetric `edge_index` [2, E] and labels `y` [N]; it is
                checked at once, and not changed. Split "public" reads its `train_mask`, `val_mask`, `test_mask`.
            **options: Options of the class but `name`, `root` and `download`.

        Returns:
            The module.

        Raises:
            TypeError: If a tensor is missing or of a wrong type.
            ValueError: If the graph is not valid (see `validate_graph`).
        """
        unused = {"name", "root", "download"} & options.keys()
        if unused:
            raise TypeError(f"from_data() takes no {', '.join(sorted(unused))}: the graph is given")
        validate_graph(data)
        if data.y is None:
            raise TypeError("data.y must be a tensor of integer class labels, got None")
        module = cls(**options)
        if "geom-gcn" in module.split_names:
            raise ValueError(
                "split 'geom-gcn' belongs to Planetoid's graphs: use 'random', or 'public' with your masks"
            )
        module._source = data
        return module

    @property
    def data(self) -> Data:
        """The transformed graph with its splits; read on first use."""
        if self._data is None:
            self._data = self._load()
        return self._data

    @property
    def raw(self) -> Data:
        """The graph as it was read, before any transform; its masks are those that it was published with."""
        if self._raw is None:
            read = self._source
            if read is None:
                read = ToUndirected()(load_node_dataset(self.dataset_name, self.root, self.download))
                validate_graph(read)
            x, y = read.x.to("cpu", torch.float32), read.y.to("cpu", torch.int64)
            masks = {name: read[name] for name in ("train_mask", "val_mask", "test_mask") if name in read}
            self._raw = Data(x=x, y=y, edge_index=read.edge_index.cpu(), **masks)
        return self._raw

    def part(self, nodes: Tensor, edge_index: Tensor, masks: NodeSplit) -> Data:
        """A subgraph that is treated as the graph itself is: own normalisation, own density.

        Args:
            nodes: Node numbers, int64 [n], ascending.
            edge_index: Symmetric edges between them, in node numbers of the graph [2, e].
            masks: The stages of all nodes, each bool [N].

        Returns:
            The subgraph, with ``n_id`` [n], the nodes' numbers in the graph.
        """
        place = torch.full((self.raw.num_nodes,), -1)
        place[nodes] = torch.arange(len(nodes))
        small = Data(x=self.raw.x[nodes], y=self.raw.y[nodes], edge_index=place[edge_index])
        data = self._transform()(small)
        data.train_mask, data.val_mask, data.test_mask = (mask[nodes] for mask in masks)
        data.n_id = nodes
        return data

    @property
    def in_channels(self) -> int:
        """Number of features F."""
        return int(self.data.x.size(1))

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return int(self.data.y.max()) + 1

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return int(self.data.x.size(0))

    def setup(self, stage: str) -> None:
        """Read the graph.

        Args:
            stage: Lightning's stage; the same graph serves all.
        """
        self.data  # noqa: B018  # reading is a side effect of the first access

    def train_dataloader(self) -> FullGraphLoader | NeighborLoader:
        """Return the full graph, or batches around all nodes in random order."""
        return self._loader(shuffle=True)

    def val_dataloader(self) -> FullGraphLoader | NeighborLoader:
        """Return the full graph, or batches around all nodes in their order."""
        return self._loader(shuffle=False)

    def test_dataloader(self) -> FullGraphLoader | NeighborLoader:
        """Return the full graph, or batches around all nodes in their order."""
        return self._loader(shuffle=False)

    def predict_dataloader(self) -> FullGraphLoader | NeighborLoader:
        """Return the full graph, or batches around all nodes in their order."""
        return self._loader(shuffle=False)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; the full graph moves once and stays.

        Args:
            batch: A batch of a loader of this module.
            device: Device to train on.
            dataloader_idx: Unused; part of Lightning's interface.

        Returns:
            The batch on `device`.
        """
        if self._data is not None and batch is self._data and batch.x.device == device:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Cast a batch to the type of the model, which is not float32 under `--trainer.precision 64-true`.

        Args:
            batch: A batch on its device.
            dataloader_idx: Unused; part of Lightning's interface.

        Returns:
            The batch, or a copy in the model's type.
        """
        dtype = self.trainer.lightning_module.dtype if self.trainer is not None else batch.x.dtype
        if batch.x.dtype == dtype:
            return batch
        return copy.copy(batch).apply(lambda value: value.to(dtype), "x", "edge_weight")

    def _loader(self, shuffle: bool) -> FullGraphLoader | NeighborLoader:
        if self.batch_size is None:
            return FullGraphLoader(self.data)
        return neighbor_loader(
            self.data, self.num_neighbors, self.batch_size, shuffle, self.num_workers, seed=self.batch_seed
        )

    def _check_options(self) -> None:
        unknown = [name for name in self.split_names if name not in SPLITS]
        if unknown or not self.split_names:
            raise ValueError(f"split must be one or more of {', '.join(SPLITS)}, got {unknown or 'none'}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None for the full graph, got {self.batch_size}")
        if self.batch_size is not None and self.sparse_features:
            raise ValueError("sparse_features needs the full graph: leave out batch_size, or use dense features")
        if self.split_index < 0:
            raise ValueError(f"split_index must not be negative, got {self.split_index}")

    def _load(self) -> Data:
        raw = self.raw
        # Splits first: they cost little and can fail.
        splits = {self._split_label(name): self._split(name) for name in self.split_names}
        for label, split in splits.items():
            check_classes(split, raw.y, label)
        data = self._transform()(Data(x=raw.x, y=raw.y, edge_index=raw.edge_index))
        data.splits = splits
        data.train_mask, data.val_mask, data.test_mask = self._masks(splits)
        return data

    def _masks(self, splits: dict[str, NodeSplit]) -> list[Tensor]:
        label, first = next(iter(splits.items()))
        columns = first.train.size(1)
        if self.split_index >= columns:
            raise ValueError(
                f"split_index must be less than the {columns} columns of split {label!r}, got {self.split_index}"
            )
        return [mask[:, self.split_index].clone() for mask in first]

    def _transform(self) -> BaseTransform:
        steps: list[BaseTransform] = [NormalizeFeatures()] if self.normalize_features else []
        steps += [RemoveSelfLoops(), ToSortedEdgeIndex()]
        steps += [AddSelfLoops(), ToSortedEdgeIndex()] if self.self_loops else []
        steps += [AddSpectralDensity(self.density_order, self.density_probes, self.density_seed)]
        if self.sparse_features:
            steps += [ToSparseFeatures(ToSparseFeatures.WORTHWHILE if self.sparse_features == "auto" else 1.0)]
        return Compose([*steps, SymmetricNormalization()])

    def _split_label(self, name: str) -> str:
        if name != "random":
            return name
        parts = (self.train_fraction, self.val_fraction, 1 - self.train_fraction - self.val_fraction)
        return "random " + "/".join(f"{100 * part:.4g}" for part in parts)

    def _split(self, name: str) -> NodeSplit:
        if name == "public":
            return public_split(self.raw)
        if name == "geom-gcn":
            return load_geom_gcn_split(self.dataset_name, self.root, self.download)
        return random_split(
            self.raw.y, self.train_fraction, self.val_fraction, self.num_splits, self.stratify, self.split_seed
        )
