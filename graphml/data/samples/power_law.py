"""A graph with power-law degrees, given its numbers of nodes and edges: for benchmarks of any size."""

import numpy as np
import torch
from torch import Tensor


def power_law(num_nodes: int, num_edges: int, exponent: float = 2.5, seed: int = 0) -> Tensor:
    """Draw a simple undirected graph of a given number of edges whose degrees follow a power law.

    The static model: node i has the weight ``(i + 1)^(-1 / (exponent - 1))``, the ends of an edge are drawn by weight,
    loops and repeated pairs are dropped until there are enough edges, and nodes are numbered at random. Time and memory
    grow with the edges.

    Source: Goh, Kahng, Kim, "Universal behavior of load distribution in scale-free networks", Physical Review Letters
    87, 278701 (2001).

    Args:
        num_nodes: Nodes N, at least 2.
        num_edges: Undirected edges, at least 0 and at most half of all pairs (nearly complete graphs would be drawn
            for ever).
        exponent: Exponent of the distribution of degrees, > 2.
        seed: Seed of the draw; the same seed gives the same graph.

    Returns:
        ``[2, 2 num_edges]`` int64 edges, each in both directions, without loops and duplicates, in random order.

    Raises:
        ValueError: If an argument is out of range.
    """
    if num_nodes < 2:
        raise ValueError(f"num_nodes must be at least 2, got {num_nodes}")
    if not 0 <= num_edges <= num_nodes * (num_nodes - 1) // 4 + 1:
        raise ValueError(f"num_edges must be in [0, {num_nodes * (num_nodes - 1) // 4 + 1}], got {num_edges}")
    if not exponent > 2:  # NaN too
        raise ValueError(f"exponent must be > 2, got {exponent}")
    rng = np.random.default_rng(seed)
    share = np.cumsum(np.arange(1, num_nodes + 1) ** (-1 / (exponent - 1)))
    pairs = np.empty(0, dtype=np.int64)
    while pairs.size < num_edges:
        ends = np.searchsorted(share, rng.random((2, num_edges)) * share[-1], side="right")
        low, high = ends.min(axis=0), ends.max(axis=0)
        pairs = np.union1d(pairs, (low * num_nodes + high)[low < high])
    low, high = np.divmod(rng.permutation(pairs)[:num_edges], num_nodes)
    number = rng.permutation(num_nodes)
    edges = np.stack([number[np.concatenate([low, high])], number[np.concatenate([high, low])]])
    return torch.from_numpy(edges[:, rng.permutation(2 * num_edges)])
