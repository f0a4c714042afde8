"""Tiny files in each dataset's own layout, and the real ones where they are at hand."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch_geometric.datasets import Amazon, CitationFull, Coauthor, Planetoid, WikiCS
from torch_geometric.transforms import ToUndirected

from graphml.data import DatasetMissingError, NodeDataModule, load_node_dataset, validate_graph
from graphml.data.node_datasets import DATASETS, canonical_name, load_geom_gcn_split

# Nodes, edges (both directions, no loops, no duplicates), features and classes: the figures that PyG documents.
REAL = {
    "Cora": (2708, 10556, 1433, 7),
    "CiteSeer": (3327, 9104, 3703, 6),
    "PubMed": (19717, 88648, 500, 3),
    "Photo": (7650, 238162, 745, 8),
    "Computers": (13752, 491722, 767, 10),
    "CS": (18333, 163788, 6805, 15),
    "Physics": (34493, 495924, 8415, 5),
    "cora_ml": (2995, 16316, 2879, 7),
    "citeseer_full": (4230, 10674, 602, 6),
}


def write_npz(path: Path) -> None:
    """A path of three nodes, each edge in one direction, in the layout of Amazon, Coauthor and CitationFull."""
    path.parent.mkdir(parents=True)
    adjacency = csr_matrix(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.float32))
    features = csr_matrix(np.array([[1, 0], [0, 2], [3, 0]], dtype=np.float32))
    parts = {}
    for name, matrix in (("adj", adjacency), ("attr", features)):
        parts |= {f"{name}_data": matrix.data, f"{name}_indices": matrix.indices}
        parts |= {f"{name}_indptr": matrix.indptr, f"{name}_shape": matrix.shape}
    np.savez(path, labels=np.array([0, 1, 0]), **parts)


def write_planetoid(root: Path, name: str, num_nodes: int = 520) -> None:
    """A ring in Planetoid's layout: 10 training nodes, then 500 for validation, the last 10 for test."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    x = csr_matrix(np.random.default_rng(0).random((num_nodes, 3), dtype=np.float32))
    y = np.eye(2, dtype=np.int32)[np.arange(num_nodes) % 2]
    rest = num_nodes - 10
    parts = {"x": x[:10], "y": y[:10], "allx": x[:rest], "ally": y[:rest], "tx": x[rest:], "ty": y[rest:]}
    parts["graph"] = {node: [(node - 1) % num_nodes, (node + 1) % num_nodes] for node in range(num_nodes)}
    for part, value in parts.items():
        (folder / f"ind.{name.lower()}.{part}").write_bytes(pickle.dumps(value))
    (folder / f"ind.{name.lower()}.test.index").write_text("".join(f"{node}\n" for node in range(rest, num_nodes)))


def write_wikics(path: Path) -> None:
    path.parent.mkdir(parents=True)
    masks = {"train_masks": [[True, True, False], [False, True, True]], "val_masks": [[True, False, False]] * 2}
    masks |= {"stopping_masks": [[False] * 3] * 2, "test_mask": [False, False, True]}
    graph = {"features": [[1.0, -1.0], [0.5, 0.0], [2.0, 1.0]], "labels": [0, 1, 0], "links": [[1], [2], []]}
    path.write_text(json.dumps(graph | masks))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("GRAPHML_DATA", raising=False)


@pytest.fixture
def no_download(monkeypatch):
    """Fail if PyG starts to download."""
    for family in (Amazon, CitationFull, Coauthor, Planetoid, WikiCS):
        monkeypatch.setattr(family, "download", lambda self: pytest.fail(f"{type(self).__name__} started to download"))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Photo", "Amazon/Photo/raw/amazon_electronics_photo.npz"),
        ("Computers", "Amazon/Computers/raw/amazon_electronics_computers.npz"),
        ("CS", "Coauthor/CS/raw/ms_academic_cs.npz"),
        ("Physics", "Coauthor/Physics/raw/ms_academic_phy.npz"),
        ("cora_ml", "CitationFull/cora_ml/raw/cora_ml.npz"),
        ("dblp", "CitationFull/dblp/raw/dblp.npz"),
        ("cora_full", "CitationFull/cora/raw/cora.npz"),
        ("citeseer_full", "CitationFull/citeseer/raw/citeseer.npz"),
        ("pubmed_full", "CitationFull/pubmed/raw/pubmed.npz"),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["parent", "class folder"])
def test_npz_layouts(tmp_path, name, file, inside):
    write_npz(tmp_path / file)
    root = tmp_path / file.split("/")[0] if inside else tmp_path
    data = load_node_dataset(name.upper(), str(root))
    assert data.edge_index.t().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert data.y.tolist() == [0, 1, 0]
    assert data.x.shape == (3, 2)


def test_planetoid_layout_and_public_split(tmp_path):
    write_planetoid(tmp_path / "Planetoid", "Cora")
    module = NodeDataModule("cora", str(tmp_path), split="public")
    assert (module.num_nodes, module.in_channels, module.num_classes) == (520, 3, 2)
    assert module.data.edge_index.shape == (2, 1040)
    split = module.data.splits["public"]
    assert [int(mask.sum()) for mask in split] == [10, 500, 10]
    assert torch.equal(module.data.train_mask, split.train[:, 0])


def test_wikics_layout_gives_all_masks_and_one_test_mask(tmp_path):
    write_wikics(tmp_path / "WikiCS" / "raw" / "data.json")
    data = load_node_dataset("wikics", str(tmp_path))
    assert data.edge_index.t().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    split = NodeDataModule("WikiCS", str(tmp_path), split="public").data.splits["public"]
    assert split.train.t().tolist() == [[True, True, False], [False, True, True]]
    assert split.val.t().tolist() == [[True, False, False]] * 2
    assert split.test.t().tolist() == [[False, False, True]] * 2
    assert load_node_dataset("WikiCS", str(tmp_path / "WikiCS")).num_nodes == 3


def test_environment_points_to_the_folder_of_roots(tmp_path, monkeypatch):
    write_npz(tmp_path / "graphs" / "Amazon" / "Photo" / "raw" / "amazon_electronics_photo.npz")
    monkeypatch.setenv("GRAPHML_DATA", str(tmp_path))
    assert load_node_dataset("photo").num_nodes == 3
    with pytest.raises(DatasetMissingError, match="there is no folder"):
        load_node_dataset("photo", str(tmp_path / "elsewhere"))  # an explicit root is not overruled


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits", "karate", "csbm"}))
def test_missing_files_are_an_error_and_never_a_download(tmp_path, name, no_download):
    with pytest.raises(DatasetMissingError, match=rf"dataset {name} is missing: looked for .*{tmp_path.name}.*`root`"):
        load_node_dataset(name, str(tmp_path))


def test_one_missing_raw_file_is_enough(tmp_path, no_download):
    write_planetoid(tmp_path, "Cora")
    load_node_dataset("Cora", str(tmp_path))
    (tmp_path / "Cora" / "raw" / "ind.cora.ty").unlink()
    with pytest.raises(DatasetMissingError, match="`download` to true"):
        load_node_dataset("Cora", str(tmp_path))


def test_missing_root():
    with pytest.raises(DatasetMissingError, match="no root folder is given and GRAPHML_DATA is not set"):
        load_node_dataset("Cora")
    with pytest.raises(FileNotFoundError, match="no root folder is given and GRAPHML_DATA is not set"):
        load_node_dataset("Cora", download=True)
    with pytest.raises(DatasetMissingError, match="there is no folder /nowhere"):
        load_node_dataset("Cora", "/nowhere")


@pytest.mark.parametrize(("root", "folder"), [("", "Amazon"), ("Amazon", "Amazon"), ("new/place", "new/place/Amazon")])
def test_download_goes_to_the_class_folder_below_root(tmp_path, monkeypatch, root, folder):
    file = tmp_path / folder / "Photo" / "raw" / "amazon_electronics_photo.npz"
    source = tmp_path / "source" / "photo.npz"
    write_npz(source)
    asked = []

    def download(self):
        asked.append(self.raw_paths)
        shutil.copy(source, file)

    monkeypatch.setattr(Amazon, "download", download)
    assert load_node_dataset("Photo", str(tmp_path / root), download=True).num_nodes == 3
    assert asked == [[str(file)]]
    assert load_node_dataset("Photo", str(tmp_path / root)).num_nodes == 3


def test_read_only_folder_is_read(tmp_path, monkeypatch):
    write_npz(tmp_path / "Amazon" / "Photo" / "raw" / "amazon_electronics_photo.npz")
    load_node_dataset("Photo", str(tmp_path))
    (lock,) = (tmp_path / "Amazon").glob(".*.lock")
    lock.unlink()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert load_node_dataset("Photo", str(tmp_path)).num_nodes == 3
    assert not lock.exists()


def test_unknown_name_lists_the_known_and_the_closest():
    with pytest.raises(ValueError, match=r"unknown dataset name 'Coraa'. Did you mean 'Cora'\? Known: digits, karate"):
        load_node_dataset("Coraa")
    with pytest.raises(ValueError, match=r"unknown dataset name 'zzz'. Known: digits"):
        NodeDataModule("zzz")


def test_names_are_known_in_any_case():
    assert [canonical_name(name) for name in ("CORA", "citeseer", "cs", "wikics")] == [
        "Cora",
        "CiteSeer",
        "CS",
        "WikiCS",
    ]
    assert len({name.lower() for name in DATASETS}) == len(DATASETS)


def test_geom_gcn_needs_a_planetoid_dataset_and_its_files(tmp_path, no_download):
    with pytest.raises(ValueError, match="split 'geom-gcn' exists for Cora, CiteSeer, PubMed, not for 'Photo'"):
        load_geom_gcn_split("Photo", str(tmp_path))
    with pytest.raises(DatasetMissingError, match=r"Cora \(Geom-GCN splits\) is missing.*cora_split_0.6_0.2_0.npz"):
        load_geom_gcn_split("Cora", str(tmp_path))


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_data_agree_with_the_documented_figures(data_root, name, no_download):
    try:
        data = load_node_dataset(name, str(data_root))
    except DatasetMissingError:
        pytest.skip(f"{name} is not in GRAPHML_DATA")
    validate_graph(ToUndirected()(data))
    num_nodes, num_edges, num_features, num_classes = REAL[name]
    assert data.x.shape == (num_nodes, num_features)
    assert data.num_edges == num_edges
    assert data.y.unique().tolist() == list(range(num_classes))
    assert not data.has_self_loops()
