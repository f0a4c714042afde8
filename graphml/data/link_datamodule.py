"""The way of knowledge graphs: read once by name, and served whole, with the triples that a step is for."""

import copy
from collections.abc import Iterator
from typing import Any, Self

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphml.data.link_datasets import LINK_DATASETS, load_link_dataset
from graphml.data.neighbor_sampler import EpochShuffle
from graphml.data.node_datamodule import FullGraphLoader
from graphml.data.pyg_source import known_name


def with_seeds(data: Data, seeds: Tensor) -> Data:
    """The same graph, no tensor copied, as a batch whose loss is for some of its triples.

    Args:
        data: Knowledge graph.
        seeds: ``[B]`` positions of training triples.
    """
    batch = copy.copy(data)
    batch.seeds = seeds
    return batch


class TripleLoader:
    """The graph again and again, each time with the next of its training triples as ``seeds``.

    Args:
        data: Knowledge graph; what moves to another device is served from there.
        batch_size: Triples in a batch, at least 1.
        seed: Seed of the order, another one each epoch, not negative.
    """

    def __init__(self, data: Data, batch_size: int, seed: int = 0) -> None:
        self.data, self.batch_size = data, batch_size
        self.sampler = EpochShuffle(int(data.train_mask.sum()), seed)  # Lightning calls its `set_epoch`

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[Data]:
        order = torch.tensor(list(self.sampler), dtype=torch.int64)
        training = self.data.train_mask.nonzero().squeeze(1)
        for chosen in order.to(training.device).split(self.batch_size):
            yield with_seeds(self.data, training[chosen])


class LinkDataModule(pl.LightningDataModule):
    """A knowledge graph, ready to train on.

    Each batch is the whole graph: `edge_index` [2, T] from head to tail, `edge_type` [T], `train_mask`, `val_mask` and
    `test_mask` [T]; a training batch has `seeds`, the positions of the triples that its loss is for.

    Args:
        name: "WN18RR", "FB15k-237", "nations", "umls" or "kinships", in any case.
        root: Folder of the PyG class or of the text files, or one that holds it; default `$GRAPHML_DATA/graphs`.
        batch_size: Training triples in a batch, at least 1.
        download: Let PyG download a missing dataset; else nothing touches the network.
        batch_seed: Seed of the order of the training triples, not negative.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        name: str = "WN18RR",
        root: str | None = None,
        batch_size: int = 1024,
        download: bool = False,
        batch_seed: int = 0,
    ) -> None:
        super().__init__()
        self.dataset_name = known_name(name, LINK_DATASETS)
        for option, value, least in (("batch_size", batch_size, 1), ("batch_seed", batch_seed, 0)):
            if value < least:
                raise ValueError(f"{option}: expected at least {least}, got {value}")
        self.root, self.download = root, download
        self.batch_size, self.batch_seed = batch_size, batch_seed
        self._data: Data | None = None

    @classmethod
    def from_data(cls, data: Data, **options: Any) -> Self:
        """Build the module on a knowledge graph of your own.

        Args:
            data: Graph as `load_link_dataset` returns it.
            **options: Options of the class but `name`, `root` and `download`.

        Returns:
            The module.

        Raises:
            TypeError: If an option names the dataset, which is given.
            ValueError: If the graph is not valid.
        """
        unused = {"name", "root", "download"} & options.keys()
        if unused:
            raise TypeError(f"from_data() takes no {', '.join(sorted(unused))}: the graph is given")
        check_knowledge_graph(data)
        module = cls(**options)
        module._data = data
        return module

    @property
    def data(self) -> Data:
        """The graph; read on first use."""
        if self._data is None:
            self._data = load_link_dataset(self.dataset_name, self.root, self.download)
        return self._data

    @property
    def num_entities(self) -> int:
        """Number of entities N."""
        return int(self.data.num_nodes)

    @property
    def num_relations(self) -> int:
        """Number of relations R."""
        return int(self.data.edge_type.max()) + 1

    def setup(self, stage: str) -> None:
        """Read the graph.

        Args:
            stage: Lightning's stage; the same graph serves all.
        """
        self.data  # noqa: B018  # reading is a side effect of the first access

    def train_dataloader(self) -> TripleLoader:
        """Return the graph once for each batch of training triples, in another order each epoch."""
        return TripleLoader(self.data, self.batch_size, self.batch_seed)

    def val_dataloader(self) -> FullGraphLoader:
        """Return the graph once."""
        return FullGraphLoader(self.data)

    def test_dataloader(self) -> FullGraphLoader:
        """Return the graph once."""
        return FullGraphLoader(self.data)

    def predict_dataloader(self) -> FullGraphLoader:
        """Return the graph once."""
        return FullGraphLoader(self.data)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; the graph itself moves once and stays.

        Args:
            batch: A batch of a loader of this module.
            device: Device to train on.
            dataloader_idx: Unused; part of Lightning's interface.

        Returns:
            The batch on `device`.
        """
        if batch.edge_index.device == device:
            return batch
        self.data.to(device)
        seeds = batch.get("seeds")
        return self.data if seeds is None else with_seeds(self.data, seeds.to(device))


def check_knowledge_graph(data: Data) -> None:
    """Check a knowledge graph.

    Args:
        data: Graph as `load_link_dataset` returns it.

    Raises:
        ValueError: If a tensor is missing or of another form, or there is no training triple.
    """
    edges = data.get("edge_index")
    if edges is None or edges.dim() != 2 or len(edges) != 2 or data.num_nodes is None:
        raise ValueError("data: expected edge_index [2, T] and num_nodes")
    for name in ("edge_type", "train_mask", "val_mask", "test_mask"):
        value = data.get(name)
        if value is None or value.shape != edges.shape[1:]:
            got = "None" if value is None else list(value.shape)
            raise ValueError(f"data.{name}: expected [{edges.size(1)}], one entry a triple, got {got}")
    if not bool(data.train_mask.any()):
        raise ValueError("data.train_mask: expected at least one training triple, got none")
    if int(edges.min()) < 0 or int(edges.max()) >= data.num_nodes:
        raise ValueError(f"data.edge_index: expected entities 0 to {data.num_nodes - 1}, got up to {int(edges.max())}")
    if int(data.edge_type.min()) < 0:
        raise ValueError(f"data.edge_type: expected relations from 0, got {int(data.edge_type.min())}")
