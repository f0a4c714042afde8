"""The way of data of many small graphs: read once by name, split by label, served in batches."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

from torch_geometric.data import Data

from graphml.data.graph_datasets import GRAPH_DATASETS, load_graph_dataset
from graphml.data.graph_set_datamodule import GraphSetDataModule
from graphml.data.pyg_source import known_name


class GraphDataModule(GraphSetDataModule):
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
        super().__init__(train_fraction, val_fraction, split_seed, batch_size, batch_seed)
        self.dataset_name = known_name(name, GRAPH_DATASETS)
        self.root, self.download, self.cleaned = root, download, cleaned

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
        module._datasets = [list(graphs)]
        return module

    def _read(self) -> list[list[Data]]:
        return [load_graph_dataset(self.dataset_name, self.root, self.cleaned, self.download)]


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
