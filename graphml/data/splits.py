"""Splits of a graph's nodes into training, validation and test nodes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch_geometric.data import Data

GEOM_GCN_SPLITS = 10


class NodeSplit(NamedTuple):
    """One or more splits of N nodes: column s of each mask is split s.

    Attributes:
        train: Training nodes, bool [N, S].
        val: Validation nodes, bool [N, S].
        test: Test nodes, bool [N, S].
    """

    train: Tensor
    val: Tensor
    test: Tensor


def public_split(data: Data) -> NodeSplit:
    """Read the split that a benchmark was published with.

    Args:
        data: Graph with `train_mask`, `val_mask` and `test_mask`, each bool [N] or [N, S]. Where one of them has
            several columns (the 20 training masks of WikiCS), a mask of one column is repeated.

    Returns:
        The published split, S columns.

    Raises:
        ValueError: If the data carry no such masks.
    """
    masks = [data.get(f"{part}_mask") for part in ("train", "val", "test")]
    if any(mask is None for mask in masks):
        raise ValueError("this dataset has no public split (no train_mask, val_mask, test_mask): use split 'random'")
    masks = [mask.cpu().unsqueeze(1) if mask.dim() == 1 else mask.cpu() for mask in masks]
    columns = max(mask.size(1) for mask in masks)
    return NodeSplit(*(mask.to(torch.bool).expand(-1, columns).contiguous() for mask in masks))


def random_split(
    y: Tensor,
    train_fraction: float = 0.2,
    val_fraction: float = 0.2,
    num_splits: int = 4,
    stratify: bool = True,
    seed: int = 0,
) -> NodeSplit:
    """Draw random splits; the nodes that are in neither training nor validation are for test.

    Args:
        y: Labels, int64 [N], from 0.
        train_fraction: Share of training nodes, in (0, 1).
        val_fraction: Share of validation nodes, in (0, 1); the two sum to less than 1.
        num_splits: Independent splits S to draw, at least 1. The first ones do not depend on how many are drawn.
        stratify: Keep the classes' shares equal in all three parts (scikit-learn).
        seed: Seed, not negative; the same seed gives the same splits.

    Returns:
        The splits, S columns.

    Raises:
        ValueError: If a fraction is out of range, a part would be empty, a class has too few nodes to be in every
            part, or a class is left out of training.
    """
    if num_splits < 1:
        raise ValueError(f"num_splits must be at least 1, got {num_splits}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    num_train, num_val = _part_sizes(len(y), train_fraction, val_fraction)
    labels = y.cpu().numpy()
    strata = labels if stratify else np.zeros_like(labels)
    masks = torch.zeros(3, len(labels), num_splits, dtype=torch.bool)
    states = np.random.SeedSequence(seed).generate_state(num_splits)
    for column, state in enumerate(states.tolist()):
        train, rest = _draw(np.arange(len(labels)), strata, num_train, state)
        val, test = _draw(rest, strata, num_val, state)
        for part, chosen in enumerate((train, val, test)):
            masks[part, torch.from_numpy(chosen), column] = True
    split = NodeSplit(*masks)
    check_classes(split, y, "random")
    return split


def geom_gcn_split(folder: str | Path, name: str) -> NodeSplit:
    """Read the ten 60/20/20 splits of Geom-GCN.

    Source: Pei, Wei, Chang, Lei, Yang, "Geom-GCN: Geometric Graph Convolutional Networks", ICLR 2020.

    Args:
        folder: Folder that holds `<name>_split_0.6_0.2_<k>.npz`, k = 0..9 (PyG: `<root>/<Name>/geom-gcn/raw`).
        name: Name of the dataset, such as "Cora".

    Returns:
        The ten splits, 10 columns.

    Raises:
        FileNotFoundError: If one of the files is missing.
    """
    columns: list[list[Tensor]] = []
    for k in range(GEOM_GCN_SPLITS):
        path = Path(folder) / f"{name.lower()}_split_0.6_0.2_{k}.npz"
        if not path.is_file():
            raise FileNotFoundError(f"no Geom-GCN split at {path}")
        with np.load(path) as masks:
            columns.append([torch.from_numpy(masks[f"{part}_mask"]).bool() for part in ("train", "val", "test")])
    return NodeSplit(*(torch.stack(part, dim=1) for part in zip(*columns, strict=True)))


def check_classes(split: NodeSplit, y: Tensor, label: str) -> None:
    """Check that each class has a training node in each split.

    Args:
        split: Splits of N nodes.
        y: Labels, int64 [N].
        label: Name of the split in the message.

    Raises:
        ValueError: If a class is left out of training, naming the classes and the column.
    """
    present = set(y.unique().tolist())
    for column in range(split.train.size(1)):
        missing = sorted(present - set(y[split.train[:, column]].unique().tolist()))
        if missing:
            raise ValueError(
                f"split {label!r}, column {column}: no training node of class {', '.join(map(str, missing))}. "
                "Enlarge train_fraction, set stratify to true, or change the seed"
            )


def _part_sizes(num_nodes: int, train_fraction: float, val_fraction: float) -> tuple[int, int]:
    for name, fraction in (("train_fraction", train_fraction), ("val_fraction", val_fraction)):
        if not 0 < fraction < 1:
            raise ValueError(f"{name} must be in (0, 1), got {fraction}")
    if train_fraction + val_fraction >= 1:
        raise ValueError(
            f"train_fraction + val_fraction must be less than 1, got {train_fraction} + {val_fraction}: "
            "the rest is for test"
        )
    num_train, num_val = round(train_fraction * num_nodes), round(val_fraction * num_nodes)
    if min(num_train, num_val, num_nodes - num_train - num_val) < 1:
        raise ValueError(
            f"{num_nodes} nodes are too few for train_fraction {train_fraction} and val_fraction {val_fraction}: "
            f"the parts would hold {num_train}, {num_val} and {num_nodes - num_train - num_val} nodes"
        )
    return num_train, num_val


def _draw(
    nodes: NDArray[np.int64], strata: NDArray[np.int64], size: int, state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw `size` of the nodes, each stratum in proportion; return them and the rest."""
    try:
        chosen, rest = train_test_split(nodes, train_size=size, random_state=state, stratify=strata[nodes])
    except ValueError as error:
        counts = np.bincount(strata)
        raise ValueError(
            f"stratify is not possible: {size} of {len(nodes)} nodes are to be drawn from classes of "
            f"{counts[counts > 0].tolist()} nodes ({error}). Enlarge the fractions or set stratify to false"
        ) from error
    return chosen, rest
