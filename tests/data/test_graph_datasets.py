"""Tiny files in the layout of TU Dortmund, and the real ones where they are at hand."""

from pathlib import Path

import pytest
import torch
from torch_geometric.datasets import TUDataset

from graphml.data import DatasetMissingError, load_graph_dataset
from graphml.data.graph_datasets import GRAPH_DATASETS

# Graphs, features, classes and whether the version without isomorphic copies is at hand. Graphs as PyG documents them.
REAL = {
    "MUTAG": (188, 7, 2, False),
    "ENZYMES": (600, 3, 6, False),
    "PROTEINS": (1113, 3, 2, False),
    "AIDS": (2000, 38, 2, False),
    "NCI1": (3785, 30, 2, True),
    "BZR": (276, 35, 2, True),
    "COX2": (237, 35, 2, True),
    "PTC_MR": (235, 16, 2, True),
    "IMDB-BINARY": (493, 136, 2, True),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Fail if PyG starts to download, and forget where real data lie."""
    monkeypatch.delenv("GRAPHML_DATA", raising=False)
    monkeypatch.setattr(TUDataset, "download", lambda self: pytest.fail("TUDataset started to download"))


def write_tu(root: Path, name: str, labels: bool = True, folder: str = "raw") -> None:
    """An edge, and a path of three nodes; the labels of the nodes are 5, 6, 5, 5, 6."""
    raw = root / name / folder
    raw.mkdir(parents=True)
    parts = {
        "A": "1, 2\n2, 1\n3, 4\n4, 3\n4, 5\n5, 4\n",
        "graph_indicator": "1\n1\n2\n2\n2\n",
        "graph_labels": "-1\n1\n",
    }
    if labels:
        parts["node_labels"] = "5\n6\n5\n5\n6\n"
    for part, text in parts.items():
        (raw / f"{name}_{part}.txt").write_text(text)


@pytest.mark.parametrize("inside", [False, True], ids=["parent", "class folder"])
def test_layout_with_node_labels(tmp_path, inside):
    write_tu(tmp_path / "TUDataset", "MUTAG")
    edge, path = load_graph_dataset("mutag", str(tmp_path / "TUDataset" if inside else tmp_path))
    assert edge.x.tolist() == [[1, 0], [0, 1]]
    assert path.x.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert path.edge_index.t().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert (edge.y.tolist(), path.y.tolist()) == ([0], [1])


def test_degrees_are_the_features_where_there_are_none(tmp_path):
    write_tu(tmp_path / "TUDataset", "IMDB-BINARY", labels=False)
    edge, path = load_graph_dataset("imdb-binary", str(tmp_path))
    assert edge.x.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert path.x.tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_a_missing_dataset_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(
        DatasetMissingError, match=r"dataset MUTAG is missing: looked for .*MUTAG_A.txt.*PyG's TUDataset"
    ):
        load_graph_dataset("MUTAG", str(tmp_path))
    with pytest.raises(DatasetMissingError, match="GRAPHML_DATA is not set"):
        load_graph_dataset("MUTAG")
    write_tu(tmp_path / "TUDataset", "MUTAG", labels=False)  # PyG would read it, without features
    with pytest.raises(DatasetMissingError):
        load_graph_dataset("MUTAG", str(tmp_path))


@pytest.mark.parametrize(("there", "asked"), [("raw_cleaned", False), ("raw", True)])
def test_the_other_version_is_named_where_it_is_there(tmp_path, there, asked):
    write_tu(tmp_path / "TUDataset", "NCI1", folder=there)
    with pytest.raises(DatasetMissingError, match=f"version is there: set `cleaned` to {str(not asked).lower()}"):
        load_graph_dataset("NCI1", str(tmp_path), cleaned=asked)
    assert len(load_graph_dataset("NCI1", str(tmp_path), cleaned=not asked)) == 2


def test_an_unknown_name_is_refused_with_the_closest():
    with pytest.raises(ValueError, match=r"unknown dataset name 'mutagg'\. Did you mean 'MUTAG'"):
        load_graph_dataset("mutagg")


def test_every_dataset_is_tested():
    assert set(REAL) == set(GRAPH_DATASETS)


@pytest.mark.parametrize("name", REAL)
def test_real_dataset(data_root, name):
    num_graphs, num_features, num_classes, cleaned = REAL[name]
    if not (data_root / "TUDataset" / name).is_dir():
        pytest.skip(f"{name} is not in GRAPHML_DATA")
    graphs = load_graph_dataset(name, str(data_root), cleaned)
    assert len(graphs) == num_graphs
    assert {graph.x.size(1) for graph in graphs} == {num_features}
    assert torch.cat([graph.y for graph in graphs]).unique().tolist() == list(range(num_classes))
    card = (Path(__file__).resolve().parents[2] / "datasets" / f"{name.lower()}.md").read_text()
    nodes, edges = (sum(size) for size in zip(*((g.num_nodes, g.num_edges) for g in graphs), strict=True))
    assert f"| {num_graphs:,} | {nodes:,} | {edges:,} | {num_features:,} | {num_classes} |" in card
