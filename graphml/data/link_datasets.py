"""Knowledge graphs by name: WN18RR and FB15k-237 by PyG's classes, three small ones from their text files."""

from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import FB15k_237, WordNet18RR

from graphml.data.pyg_source import PyGSource, known_name, locate, read_dataset

_STAGES = {"train": "train", "valid": "val", "test": "test"}
_SMALL = ("nations", "umls", "kinships")


def load_link_dataset(name: str, root: str | None = None, download: bool = False) -> Data:
    """Load a knowledge graph with its published split. PyG writes a `processed` folder beside its raw files.

    Args:
        name: Name of the dataset in any case, one of `LINK_DATASETS`.
        root: Root folder of the PyG class, or a folder that holds it under the class's name; for the small ones, the
            folder `KG_small` or one that holds it. None stands for `$GRAPHML_DATA/graphs`.
        download: Let PyG download what is missing (to `root`), which it can for WN18RR and FB15k-237.

    Returns:
        `edge_index` [2, T] from head to tail, `edge_type` [T], `train_mask`, `val_mask` and `test_mask` [T], and the
        number of entities as `num_nodes`.

    Raises:
        ValueError: If the name is unknown, or a line of a text file is no triple.
        DatasetMissingError: If the files are not there and PyG must not or cannot download them.
    """
    name = known_name(name, LINK_DATASETS)
    source = _SOURCES[name]
    data: Data = read_dataset(source, locate(name, source, root, download))
    return data


def read_triples(folder: Path) -> Data:
    """Read `train.txt`, `valid.txt` and `test.txt`, a triple a line: head, relation and tail, with tabs between.

    Entities and relations are numbered by their names in sorted order.

    Args:
        folder: Where the three files lie.

    Returns:
        The graph, as `load_link_dataset` returns it.

    Raises:
        ValueError: If a line is no triple.
    """
    parts = [_lines(folder / f"{file}.txt") for file in _STAGES]
    triples = [triple for part in parts for triple in part]
    entity = {name: number for number, name in enumerate(sorted({end for h, _, t in triples for end in (h, t)}))}
    relation = {name: number for number, name in enumerate(sorted({r for _, r, _ in triples}))}
    edge_index = torch.tensor([[entity[h] for h, _, _ in triples], [entity[t] for _, _, t in triples]])
    edge_type = torch.tensor([relation[r] for _, r, _ in triples])
    return _with_masks(edge_index, edge_type, [len(part) for part in parts], len(entity))


def _lines(path: Path) -> list[tuple[str, str, str]]:
    triples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise ValueError(f"{path}:{number}: expected head, relation and tail with tabs between, got {line!r}")
        triples.append((fields[0], fields[1], fields[2]))
    return triples


def _with_masks(edge_index: Tensor, edge_type: Tensor, sizes: list[int], num_entities: int) -> Data:
    data = Data(edge_index=edge_index, edge_type=edge_type, num_nodes=num_entities)
    part = torch.arange(3).repeat_interleave(torch.tensor(sizes))
    for number, stage in enumerate(_STAGES.values()):
        data[f"{stage}_mask"] = part == number
    return data


def _read_fb15k_237(root: str) -> Data:
    parts = [FB15k_237(root, stage)[0] for stage in _STAGES.values()]
    edge_index = torch.cat([part.edge_index for part in parts], 1)
    edge_type = torch.cat([part.edge_type for part in parts])
    return _with_masks(edge_index, edge_type, [part.num_edges for part in parts], parts[0].num_nodes)


def _small(name: str) -> PyGSource:
    files = tuple(f"{name}/{file}.txt" for file in _STAGES)
    return PyGSource("KG_small", files, lambda root: read_triples(Path(root) / name), downloads=False)


_RAW = tuple(f"raw/{file}.txt" for file in _STAGES)
_SOURCES: dict[str, PyGSource] = {
    "WN18RR": PyGSource("WordNet18RR", _RAW, lambda root: WordNet18RR(root)[0]),
    "FB15k-237": PyGSource("FB15k_237", _RAW, _read_fb15k_237),
    **{name: _small(name) for name in _SMALL},
}
LINK_DATASETS: tuple[str, ...] = tuple(_SOURCES)
