"""Contextual stochastic block model: a seeded synthetic family in which graph and features each tell of the class."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data


def contextual_sbm(
    num_nodes: int = 1000,
    num_classes: int = 4,
    num_features: int = 32,
    average_degree: float = 10.0,
    homophily: float = 0.8,
    feature_signal: float = 1.0,
    seed: int = 0,
) -> Data:
    """Draw a graph from the contextual stochastic block model with classes of equal size.

    Two nodes of one class are joined with one probability, two nodes of different classes with another, both set by
    the average degree and by the expected share of edges inside classes. Features are a class mean of expected norm
    `feature_signal` plus standard normal noise. For each pair of classes the number of edges is drawn first and then
    the edges among its pairs, so time and memory grow with the edges and not with the pairs of nodes.

    Source: Deshpande, Sen, Montanari, Mossel, "Contextual Stochastic Block Models", NeurIPS 2018 (two classes there).

    Args:
        num_nodes: Nodes N, at least `num_classes`.
        num_classes: Classes C, at least 2; their sizes differ by at most one.
        num_features: Features F, at least 1.
        average_degree: Expected neighbours of a node, > 0.
        homophily: Expected share of edges inside classes, in [0, 1]; about 1 / C carries no signal.
        feature_signal: Expected norm of a class mean, in units of the noise's standard deviation, >= 0.
        seed: Seed of the draw; the same seed gives the same graph.

    Returns:
        `Data` with `x` [N, F], `y` [N] and a symmetric `edge_index` without loops.

    Raises:
        ValueError: If an argument is out of range, or the degree is more than the classes have room for.
    """
    _check_arguments(num_nodes, num_classes, num_features, average_degree, homophily, feature_signal)
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(num_nodes) % num_classes)
    members = [np.flatnonzero(y == label) for label in range(num_classes)]
    edges = _block_edges(members, num_nodes * average_degree / 2, homophily, rng)
    means = rng.standard_normal((num_classes, num_features), dtype=np.float32) * (feature_signal / num_features**0.5)
    x = means[y].astype(np.float32) + rng.standard_normal((num_nodes, num_features), dtype=np.float32)
    return Data(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y.astype(np.int64)),
        edge_index=torch.from_numpy(np.concatenate([edges, edges[::-1]], axis=1)),
    )


def _check_arguments(
    num_nodes: int, num_classes: int, num_features: int, average_degree: float, homophily: float, feature_signal: float
) -> None:
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, got {num_classes}")
    if num_nodes < num_classes:
        raise ValueError(f"num_nodes must be at least num_classes = {num_classes}, got {num_nodes}")
    if num_features < 1:
        raise ValueError(f"num_features must be at least 1, got {num_features}")
    if not average_degree > 0:
        raise ValueError(f"average_degree must be > 0, got {average_degree}")
    if not 0 <= homophily <= 1:
        raise ValueError(f"homophily must be in [0, 1], got {homophily}")
    if not feature_signal >= 0:
        raise ValueError(f"feature_signal must be >= 0, got {feature_signal}")


def _block_edges(
    members: list[NDArray[np.intp]], num_edges: float, homophily: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw each undirected edge once: [2, E], from the expected number of edges and their share inside classes."""
    sizes = [len(nodes) for nodes in members]
    inside = sum(size * (size - 1) // 2 for size in sizes)
    across = sum(sizes) * (sum(sizes) - 1) // 2 - inside
    wanted = {True: homophily * num_edges, False: (1 - homophily) * num_edges}
    room = {True: inside, False: across}
    for same, where in ((True, "inside"), (False, "across")):
        if wanted[same] > room[same]:
            raise ValueError(
                f"average_degree is too large: {wanted[same]:.0f} edges wanted {where} classes, room for {room[same]}"
            )
    blocks = []
    for a, rows in enumerate(members):
        for b in range(a + 1):
            probability = wanted[a == b] / max(room[a == b], 1)
            pairs = len(rows) * (len(rows) - 1) // 2 if a == b else len(rows) * len(members[b])
            codes = rng.choice(pairs, size=rng.binomial(pairs, probability), replace=False)
            first, second = _triangle(codes) if a == b else np.divmod(codes, len(members[b]))
            blocks.append(np.stack([rows[first], members[b][second]]))
    return np.concatenate(blocks, axis=1).astype(np.int64)


def _triangle(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Map 0, 1, 2, .. to the pairs (1, 0), (2, 0), (2, 1), (3, 0), .. of a strict lower triangle."""
    first = ((1 + np.sqrt(1 + 8 * codes.astype(np.float64))) / 2).astype(np.int64)
    # The square root is rounded: step back where it went past the row's first pair.
    first -= first * (first - 1) // 2 > codes
    return first, codes - first * (first - 1) // 2
