"""Node classification datasets by name, read by PyG's own classes from a folder that the user points to."""

from collections.abc import Callable

from torch_geometric.data import Data
from torch_geometric.datasets import Amazon, CitationFull, Coauthor, Planetoid, WikiCS

from graphml.data.pyg_source import PyGSource, complete, known_name, locate, read_dataset
from graphml.data.samples import contextual_sbm, digits, karate_club
from graphml.data.splits import GEOM_GCN_SPLITS, NodeSplit, geom_gcn_split

PLANETOID_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


def _planetoid(name: str) -> PyGSource:
    files = tuple(f"{name}/raw/ind.{name.lower()}.{part}" for part in PLANETOID_PARTS)
    return PyGSource("Planetoid", files, lambda root: Planetoid(root, name))


def _geom_gcn(name: str) -> PyGSource:
    folder = f"{name}/geom-gcn/raw"
    files = tuple(f"{folder}/{name.lower()}_split_0.6_0.2_{k}.npz" for k in range(GEOM_GCN_SPLITS))
    return PyGSource("Planetoid", files, lambda root: Planetoid(root, name, split="geom-gcn"))


def _amazon(name: str) -> PyGSource:
    files = (f"{name}/raw/amazon_electronics_{name.lower()}.npz",)
    return PyGSource("Amazon", files, lambda root: Amazon(root, name))


def _coauthor(name: str) -> PyGSource:
    return PyGSource("Coauthor", (f"{name}/raw/ms_academic_{name[:3].lower()}.npz",), lambda root: Coauthor(root, name))


def _citation_full(name: str) -> PyGSource:
    return PyGSource("CitationFull", (f"{name}/raw/{name}.npz",), lambda root: CitationFull(root, name))


_EMBEDDED: dict[str, Callable[[], Data]] = {"digits": digits, "karate": karate_club, "csbm": contextual_sbm}
_PLANETOID = ("Cora", "CiteSeer", "PubMed")
_SOURCES: dict[str, PyGSource] = {
    **{name: _planetoid(name) for name in _PLANETOID},
    **{name: _amazon(name) for name in ("Photo", "Computers")},
    **{name: _coauthor(name) for name in ("CS", "Physics")},
    "WikiCS": PyGSource("WikiCS", ("raw/data.json",), lambda root: WikiCS(root, is_undirected=True)),
    **{name: _citation_full(name) for name in ("cora_ml", "dblp")},
    # Three sets of CitationFull share a name with Planetoid's smaller ones.
    **{f"{name}_full": _citation_full(name) for name in ("cora", "citeseer", "pubmed")},
}
DATASETS: tuple[str, ...] = (*_EMBEDDED, *_SOURCES)


def canonical_name(name: str) -> str:
    """Find a node dataset's name as it is written here, whatever the case it is asked for in.

    Args:
        name: Name of a dataset, such as "cora".

    Returns:
        The name, such as "Cora".

    Raises:
        ValueError: If there is no such dataset, with the known ones and the closest match.
    """
    return known_name(name, DATASETS)


def load_node_dataset(name: str, root: str | None = None, download: bool = False) -> Data:
    """Load a graph by name, as PyG holds it.

    "digits", "karate" and "csbm" are embedded and need no files. All others are read by PyG's classes (Planetoid,
    Amazon, Coauthor, WikiCS, CitationFull); "cora_full", "citeseer_full" and "pubmed_full" are CitationFull's. PyG
    writes a `processed` folder beside the raw files. The network is used only with `download`.

    Args:
        name: Name of the dataset in any case, one of `DATASETS`.
        root: Root folder of the PyG class, or a folder that holds it under the class's name. None stands for
            `$GRAPHML_DATA/graphs`.
        download: Let PyG download what is missing (to `root`).

    Returns:
        The graph.

    Raises:
        ValueError: If the name is unknown.
        DatasetMissingError: If the files are not there and `download` is false.
    """
    name = canonical_name(name)
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    source = _SOURCES[name]
    folder = locate(name, source, root, download)
    return read_dataset(source, folder)[0]


def load_geom_gcn_split(name: str, root: str | None = None, download: bool = False) -> NodeSplit:
    """Load the ten Geom-GCN splits of a Planetoid dataset.

    Args:
        name: "Cora", "CiteSeer" or "PubMed", in any case.
        root: As for `load_node_dataset`; PyG keeps the splits in `<root>/<Name>/geom-gcn/raw`.
        download: Let PyG download what is missing.

    Returns:
        The ten splits.

    Raises:
        ValueError: If the dataset has no such splits.
        DatasetMissingError: If the files are not there and `download` is false.
    """
    name = canonical_name(name)
    if name not in _PLANETOID:
        raise ValueError(f"split 'geom-gcn' exists for {', '.join(_PLANETOID)}, not for {name!r}: use split 'random'")
    source = _geom_gcn(name)
    folder = locate(f"{name} (Geom-GCN splits)", source, root, download)
    if download and not complete(source, folder):
        read_dataset(source, folder)
    return geom_gcn_split(folder / name / "geom-gcn" / "raw", name)
