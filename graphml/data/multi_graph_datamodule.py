"""Several datasets of graphs as one, with features that all of them have."""

from collections.abc import Sequence
from typing import Any, Self

from torch_geometric.data import Data

from graphml.data.graph_datamodule import check_graphs
from graphml.data.graph_datasets import GRAPH_DATASETS, load_graph_dataset, with_degree_features
from graphml.data.graph_set_datamodule import GraphSetDataModule
from graphml.data.pyg_source import known_name

MOLECULES = ("MUTAG", "BZR", "COX2", "PTC_MR")


class MultiGraphDataModule(GraphSetDataModule):
    """Graph classification datasets as one, for federations whose clients hold different datasets.

    Node labels mean something else in each dataset, so the features are the one-hot degrees, clipped (the common input
    of GCFL, Xie et al., NeurIPS 2021). Labels are those of each dataset: class 0 of one has nothing to do with class 0
    of another, and `num_classes` is that of the dataset with the most.

    With `GroupPartitioner(by="domain")` each client is a dataset. An algorithm that shares all weights then treats them
    as one task in several domains, sensible where the classes correspond (active and inactive molecules); one with
    personal heads, such as FedPer, as several tasks, whatever their classes are (the multi-domain and multi-task
    federations of FederatedScope-GNN, Wang et al., KDD 2022).

    Args:
        names: Datasets, see `GraphDataModule`; each one once.
        root: Folder of PyG's `TUDataset`, or one that holds it; default `$GRAPHML_DATA/graphs`.
        max_degree: Larger degrees count as this one, at least 1; `in_channels` is one more.
        train_fraction: Share of training graphs of each dataset, in (0, 1).
        val_fraction: Share of validation graphs, in (0, 1); the rest is for test. Classes keep their shares.
        split_seed: Seed of the splits.
        batch_size: Graphs in a batch, at least 1.
        download: Let PyG download missing datasets; else nothing touches the network.
        cleaned: Names of datasets of which the version without isomorphic copies is taken, see `load_graph_dataset`.
        batch_seed: Seed of the order of the training graphs, not negative.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        names: Sequence[str] = MOLECULES,
        root: str | None = None,
        max_degree: int = 10,
        train_fraction: float = 0.8,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        batch_size: int = 64,
        download: bool = False,
        cleaned: Sequence[str] = (),
        batch_seed: int = 0,
    ) -> None:
        super().__init__(train_fraction, val_fraction, split_seed, batch_size, batch_seed)
        self.dataset_names = [known_name(name, GRAPH_DATASETS) for name in names]
        if not names or len(set(self.dataset_names)) < len(names):
            raise ValueError(f"names: expected at least one dataset and each once, got {list(names)}")
        if max_degree < 1:
            raise ValueError(f"max_degree: expected at least 1, got {max_degree}")
        self.cleaned = {known_name(name, self.dataset_names) for name in cleaned}
        self.root, self.max_degree, self.download = root, max_degree, download

    @classmethod
    def from_graphs(cls, datasets: Sequence[Sequence[Data]], **options: Any) -> Self:
        """Build the module on graphs of your own.

        Args:
            datasets: Graphs of each dataset, as for `GraphDataModule.from_graphs`.
            **options: Options of the class but `names`, `root`, `download` and `cleaned`.

        Returns:
            The module.

        Raises:
            TypeError: If an option names the datasets, which are given.
            ValueError: If there is no dataset, one has no graph, or a graph lacks a tensor or has one of another form.
        """
        unused = {"names", "root", "download", "cleaned"} & options.keys()
        if unused:
            raise TypeError(f"from_graphs() takes no {', '.join(sorted(unused))}: the graphs are given")
        if not datasets:
            raise ValueError("datasets: expected at least one, got none")
        module = cls(**options)
        for graphs in datasets:
            check_graphs(graphs)
        module._datasets = [module._alike(graphs) for graphs in datasets]
        return module

    def _read(self) -> list[list[Data]]:
        return [
            self._alike(load_graph_dataset(name, self.root, name in self.cleaned, self.download))
            for name in self.dataset_names
        ]

    def _alike(self, graphs: Sequence[Data]) -> list[Data]:
        """Graphs with the same tensors in every dataset: some have features of edges, too."""
        with_degrees = with_degree_features(list(graphs), self.max_degree)
        return [Data(x=graph.x, edge_index=graph.edge_index, y=graph.y) for graph in with_degrees]
