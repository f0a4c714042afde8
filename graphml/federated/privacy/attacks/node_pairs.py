"""Pairs of nodes that are linked or not, and what tells them apart."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import distance
from torch import Tensor

from graphml.federated.privacy.attacks.subgraph import plain
from graphml.ops import as_dense

Matrix = NDArray[np.float64]

DISTANCES: dict[str, Callable[[Matrix, Matrix], float]] = {
    "cosine": distance.cosine,
    "euclidean": distance.euclidean,
    "correlation": distance.correlation,
    "chebyshev": distance.chebyshev,
    "braycurtis": distance.braycurtis,
    "canberra": distance.canberra,
    "cityblock": distance.cityblock,
    "sqeuclidean": distance.sqeuclidean,
}
"""The eight distances of He et al., USENIX Security 2021, by SciPy's names."""


class NodePairs(NamedTuple):
    """As many linked as unlinked pairs.

    Attributes:
        nodes: Numbers of the two nodes, the smaller first, int64 [2, m].
        linked: Whether there is an edge, bool [m].
    """

    nodes: Tensor
    linked: Tensor


def sample_pairs(
    edge_index: Tensor, num_nodes: int, generator: torch.Generator, num_links: int | None = None
) -> NodePairs:
    """Draw links of a graph, and as many pairs without one.

    Args:
        edge_index: Edges [2, E]; directions and self-loops do not matter.
        num_nodes: Number of nodes.
        generator: Where they are drawn from.
        num_links: How many links to draw, at least 1; default all.

    Returns:
        The pairs in random order.

    Raises:
        ValueError: If there are fewer links, or fewer pairs without one.
    """
    row, col = plain(edge_index)
    links = (torch.minimum(row, col) * num_nodes + torch.maximum(row, col))[row != col].unique()
    wanted = len(links) if num_links is None else num_links
    rest = num_nodes * (num_nodes - 1) // 2 - len(links)
    if not 1 <= wanted <= min(len(links), rest):
        raise ValueError(
            f"num_links: expected 1 to {min(len(links), rest)} of a graph of {len(links)} links and {rest} unlinked "
            f"pairs, got {wanted}"
        )
    chosen = links[torch.randperm(len(links), generator=generator)[:wanted]]
    codes = torch.cat([chosen, _unlinked(links, num_nodes, wanted, generator)])
    order = torch.randperm(2 * wanted, generator=generator)
    return NodePairs(torch.stack([codes // num_nodes, codes % num_nodes])[:, order], (order < wanted))


def _unlinked(links: Tensor, num_nodes: int, wanted: int, generator: torch.Generator) -> Tensor:
    found = links[:0]
    while len(found) < wanted:  # drawn with some to spare, since a few are links, and a few are drawn twice
        a, b = torch.randint(num_nodes, (2, 2 * (wanted - len(found)) + 8), generator=generator)
        codes = torch.minimum(a, b) * num_nodes + torch.maximum(a, b)
        found = torch.cat([found, codes[(a != b) & ~torch.isin(codes, links)]]).unique()
    return found[torch.randperm(len(found), generator=generator)[:wanted]]


def pair_distances(vectors: Tensor, nodes: Tensor) -> Matrix:
    """Distances between the vectors of each pair.

    Args:
        vectors: A vector a node [n, d], dense or sparse.
        nodes: Pairs [2, m].

    Returns:
        The `DISTANCES` [m, 8]; those that a vector of zeros or of equal numbers leaves undefined are 0, as in the
        authors' code.
    """
    dense = as_dense(vectors).double().numpy()
    first, second = (dense[side] for side in nodes.numpy())
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = [[metric(u, v) for metric in DISTANCES.values()] for u, v in zip(first, second, strict=True)]
    return np.nan_to_num(np.asarray(rows, np.float64).reshape(-1, len(DISTANCES)))


def pair_features(values: Tensor, nodes: Tensor) -> Matrix:
    """Four symmetric functions of the values of each pair: mean, product, and distances (Grover and Leskovec 2016).

    Args:
        values: Values of each node [n, d].
        nodes: Pairs [2, m].

    Returns:
        Average, Hadamard product, weighted-L1 and weighted-L2 of He et al., table 2 [m, 4 d].
    """
    first, second = (values.double().numpy()[side] for side in nodes.numpy())
    gap = np.abs(first - second)
    return np.concatenate([(first + second) / 2, first * second, gap, gap**2], axis=1)
