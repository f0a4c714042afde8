"""Graph classification datasets by name: those of TU Dortmund, read by PyG's `TUDataset`."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.datasets import TUDataset
from torch_geometric.utils import degree

from graphml.data.pyg_source import DatasetMissingError, PyGSource, known_name, locate, read_dataset

_LABELLED = ("MUTAG", "ENZYMES", "PROTEINS", "NCI1", "AIDS", "BZR", "COX2", "PTC_MR")
_UNLABELLED = ("IMDB-BINARY",)
GRAPH_DATASETS: tuple[str, ...] = (*_LABELLED, *_UNLABELLED)


def load_graph_dataset(name: str, root: str | None = None, cleaned: bool = False, download: bool = False) -> list[Data]:
    """Load the graphs of a dataset. PyG writes a `processed` folder beside the raw files.

    Features are the one-hot node labels. Where a dataset has none (IMDB-BINARY), they are the one-hot degrees, up to
    the largest of all graphs, as in Xu et al. (ICLR 2019).

    Args:
        name: Name of the dataset in any case, one of `GRAPH_DATASETS`.
        root: PyG's root of `TUDataset`, or a folder that holds it as `TUDataset`. None stands for
            `$GRAPHML_DATA/graphs`.
        cleaned: Take the version without isomorphic copies (Ivanov, Sviridov, Burnaev, arXiv 1910.12091), which
            has fewer graphs.
        download: Let PyG download what is missing (to `root`); else nothing touches the network.

    Returns:
        The graphs, each with `x` [n, F], `edge_index` [2, e] and one label `y` [1].

    Raises:
        ValueError: If the name is unknown.
        DatasetMissingError: If the files are not there and `download` is false.
    """
    name = known_name(name, GRAPH_DATASETS)
    source = _tu_dortmund(name, cleaned)
    try:
        folder = locate(name, source, root, download)
    except DatasetMissingError as error:
        raise DatasetMissingError(f"{error}{_other_version(name, root, cleaned)}") from None
    dataset = read_dataset(source, folder)
    graphs = list(dataset)
    return with_degree_features(graphs) if dataset.num_features == 0 else graphs


def with_degree_features(graphs: list[Data], max_degree: int | None = None) -> list[Data]:
    """Graphs with the one-hot degree of each node as features, in place of those that they have.

    Args:
        graphs: The graphs.
        max_degree: Larger degrees count as this one; None for the largest degree of all graphs.

    Returns:
        Copies with `x` float32 [n, max_degree + 1].
    """
    degrees = [degree(graph.edge_index[0], graph.num_nodes, dtype=torch.int64) for graph in graphs]
    most = max(int(each.max()) for each in degrees) if max_degree is None else max_degree
    copies = [copy.copy(graph) for graph in graphs]
    for graph, each in zip(copies, degrees, strict=True):
        graph.x = F.one_hot(each.clamp(max=most), most + 1).float()
    return copies


def _tu_dortmund(name: str, cleaned: bool) -> PyGSource:
    parts = ["A", "graph_indicator", "graph_labels", *(["node_labels"] if name in _LABELLED else [])]
    folder = f"{name}/raw_cleaned" if cleaned else f"{name}/raw"

    def read(root: str) -> Any:
        return TUDataset(root, name, cleaned=cleaned)

    return PyGSource("TUDataset", tuple(f"{folder}/{name}_{part}.txt" for part in parts), read)


def _other_version(name: str, root: str | None, cleaned: bool) -> str:
    """What to say when the files of the other version are there."""
    try:
        locate(name, _tu_dortmund(name, not cleaned), root, download=False)
    except DatasetMissingError:
        return ""
    return f". Its {'full' if cleaned else 'cleaned'} version is there: set `cleaned` to {str(not cleaned).lower()}"
