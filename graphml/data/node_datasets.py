"""Node classification datasets by name, read by PyG's own classes from a folder that the user points to."""

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.datasets import Amazon, CitationFull, Coauthor, Planetoid, WikiCS

from graphml.data.samples import contextual_sbm, digits, karate_club
from graphml.data.splits import GEOM_GCN_SPLITS, NodeSplit, geom_gcn_split

PLANETOID_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


class DatasetMissingError(FileNotFoundError):
    """A dataset is not where it was looked for; the message says where that was and how to get it."""


@dataclass(frozen=True)
class _Source:
    """Where a dataset's raw files lie below its PyG root, and the PyG class that reads them."""

    family: str
    raw_files: tuple[str, ...]
    read: Callable[[str], InMemoryDataset]


def _planetoid(name: str) -> _Source:
    files = tuple(f"{name}/raw/ind.{name.lower()}.{part}" for part in PLANETOID_PARTS)
    return _Source("Planetoid", files, lambda root: Planetoid(root, name))


def _geom_gcn(name: str) -> _Source:
    folder = f"{name}/geom-gcn/raw"
    files = tuple(f"{folder}/{name.lower()}_split_0.6_0.2_{k}.npz" for k in range(GEOM_GCN_SPLITS))
    return _Source("Planetoid", files, lambda root: Planetoid(root, name, split="geom-gcn"))


def _amazon(name: str) -> _Source:
    files = (f"{name}/raw/amazon_electronics_{name.lower()}.npz",)
    return _Source("Amazon", files, lambda root: Amazon(root, name))


def _coauthor(name: str) -> _Source:
    return _Source("Coauthor", (f"{name}/raw/ms_academic_{name[:3].lower()}.npz",), lambda root: Coauthor(root, name))


def _citation_full(name: str) -> _Source:
    return _Source("CitationFull", (f"{name}/raw/{name}.npz",), lambda root: CitationFull(root, name))


_EMBEDDED: dict[str, Callable[[], Data]] = {"digits": digits, "karate": karate_club, "csbm": contextual_sbm}
_PLANETOID = ("Cora", "CiteSeer", "PubMed")
_SOURCES: dict[str, _Source] = {
    **{name: _planetoid(name) for name in _PLANETOID},
    **{name: _amazon(name) for name in ("Photo", "Computers")},
    **{name: _coauthor(name) for name in ("CS", "Physics")},
    "WikiCS": _Source("WikiCS", ("raw/data.json",), lambda root: WikiCS(root, is_undirected=True)),
    **{name: _citation_full(name) for name in ("cora_ml", "dblp")},
    # Three sets of CitationFull share a name with Planetoid's smaller ones.
    **{f"{name}_full": _citation_full(name) for name in ("cora", "citeseer", "pubmed")},
}
DATASETS: tuple[str, ...] = (*_EMBEDDED, *_SOURCES)


def canonical_name(name: str) -> str:
    """Find a dataset's name as it is written here, whatever the case it is asked for in.

    Args:
        name: Name of a dataset, such as "cora".

    Returns:
        The name, such as "Cora".

    Raises:
        ValueError: If there is no such dataset, with the known ones and the closest match.
    """
    by_lower = {known.lower(): known for known in DATASETS}
    if name.lower() not in by_lower:
        close = difflib.get_close_matches(name.lower(), by_lower, n=1)
        hint = f"Did you mean {by_lower[close[0]]!r}? " if close else ""
        raise ValueError(f"unknown dataset name {name!r}. {hint}Known: {', '.join(DATASETS)}")
    return by_lower[name.lower()]


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
    folder = _locate(name, source, root, download)
    return _read(source, folder)


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
    folder = _locate(f"{name} (Geom-GCN splits)", source, root, download)
    if download and not _complete(source, folder):
        _read(source, folder)
    return geom_gcn_split(folder / name / "geom-gcn" / "raw", name)


def _complete(source: _Source, folder: Path) -> bool:
    return all((folder / file).is_file() for file in source.raw_files)


def _locate(name: str, source: _Source, root: str | None, download: bool) -> Path:
    """Find the PyG root that holds all raw files; PyG would start to download if one of them were missing."""
    base = root if root is not None else _environment_root()
    candidates = [] if base is None else [Path(base).expanduser(), Path(base).expanduser() / source.family]
    for folder in candidates:
        if _complete(source, folder):
            return folder
    if download and candidates:
        return candidates[0] if candidates[0].name == source.family else candidates[1]
    if not candidates:
        where = "no root folder is given and GRAPHML_DATA is not set"
    elif not candidates[0].is_dir():
        where = f"there is no folder {candidates[0]}"
    else:
        where = "looked for " + " and ".join(str(folder / source.raw_files[0]) for folder in candidates)
    raise DatasetMissingError(
        f"dataset {name} is missing: {where}. To get it, set the option `root` (--data.root) to the folder that holds "
        f"PyG's {source.family} files, or set `root` to any folder and `download` to true to fetch them"
    )


def _environment_root() -> str | None:
    data = os.environ.get("GRAPHML_DATA")
    return os.path.join(data, "graphs") if data else None


def _read(source: _Source, folder: Path) -> Data:
    """Read with PyG, one process at a time: PyG writes its processed files in place."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return source.read(str(folder))[0]
    with FileLock(folder / f".{source.raw_files[0].replace('/', '-')}.lock"):
        return source.read(str(folder))[0]
