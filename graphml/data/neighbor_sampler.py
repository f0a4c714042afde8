"""Mini-batches of a large graph: PyG's `NeighborLoader` with a seeded sampler in plain torch.

PyG's own sampler needs pyg-lib or torch-sparse, which are compiled for one torch version each; the first does not
support induced subgraphs, and both draw from the global random stream. This one needs neither, and the same seed gives
the same batches on every machine. `NeighborLoader` takes it in place of its own.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput
from torch_geometric.transforms import BaseTransform

from graphml.data.splits import NodeSplit
from graphml.data.transforms import SymmetricNormalization, ToSortedEdgeIndex


class InducedNeighborSampler(BaseSampler):
    """Sample neighbours hop by hop without replacement, then keep every edge among the sampled nodes.

    Hamilton, Ying, Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017; the induced subgraph
    keeps a symmetric graph symmetric. A draw depends on `seed` and on the seed nodes alone: an epoch in another order
    draws other neighbours, a validation pass draws the same ones each time, with any number of workers.

    Args:
        edge_index: `EdgeIndex` [2, E] sorted by "col" (as `ToSortedEdgeIndex` makes it).
        num_neighbors: Neighbours to draw per node in each hop, from the seed nodes outwards; -1 takes all.
        seed: Seed of the draws, not negative.

    Raises:
        ValueError: If `num_neighbors` is empty, holds 0 or a number below -1, or `seed` is negative.
    """

    def __init__(self, edge_index: EdgeIndex, num_neighbors: list[int], seed: int = 0) -> None:
        if not num_neighbors or any(count == 0 or count < -1 for count in num_neighbors):
            raise ValueError(f"num_neighbors must hold positive numbers, or -1 for all, got {num_neighbors}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        (self.colptr, self.row), _ = edge_index.get_csc()
        self.num_neighbors = num_neighbors
        self.seed = seed
        self._position = torch.full((self.colptr.numel() - 1,), -1, dtype=torch.int64)

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Sample around seed nodes.

        Args:
            index: Seed nodes, as `NeighborLoader` hands them over.
            **kwargs: Nothing; part of PyG's interface.

        Returns:
            The sampled nodes, the seeds first, and all edges among them.
        """
        rng = np.random.default_rng([self.seed, *index.node.tolist()])
        node = self._sample_nodes(index.node, rng)
        row, col = self.induced_edges(node)
        return SamplerOutput(node=node, row=row, col=col, edge=None, batch=None, metadata=(index.input_id, index.time))

    def sample_from_edges(self, index: EdgeSamplerInput, neg_sampling: Any = None) -> SamplerOutput:
        """Refuse: batches are sets of nodes here.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("InducedNeighborSampler samples around nodes, not around edges")

    def induced_edges(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """Find all edges among some nodes.

        Args:
            node: ``[n]`` different nodes.

        Returns:
            Source and target of each edge, as places in ``node``.
        """
        edge, col = self._incident(node)
        self._position[node] = torch.arange(node.numel())
        row = self._position[self.row[edge]]
        self._position[node] = -1
        inside = row >= 0
        return row[inside], col[inside]

    def _sample_nodes(self, seeds: Tensor, rng: np.random.Generator) -> Tensor:
        node = frontier = seeds
        for count in self.num_neighbors:
            edge, owner = self._incident(frontier)
            if count > 0:
                edge = _first_per_segment(edge, owner, count, rng)
            # The difference is sorted, so the order of the nodes does not depend on the draw's order.
            reached = self.row[edge].unique()
            frontier = reached[~torch.isin(reached, node)]
            node = torch.cat([node, frontier])
        return node

    def _incident(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """Positions of all edges that point to `node`, and for each the place of its target in `node`."""
        start, degree = self.colptr[node], self.colptr[node + 1] - self.colptr[node]
        owner = torch.arange(node.numel()).repeat_interleave(degree)
        first = degree.cumsum(0) - degree
        return torch.arange(owner.numel()) - first[owner] + start[owner], owner


def _first_per_segment(edge: Tensor, owner: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Keep `count` random edges of each owner: sort by (owner, random key), keep the first ones."""
    key = torch.from_numpy(rng.random(edge.numel()))
    order = torch.from_numpy(np.lexsort((key.numpy(), owner.numpy())))
    sizes = owner.bincount()
    rank = torch.arange(edge.numel()) - (sizes.cumsum(0) - sizes)[owner]
    return edge[order][rank < count]


class EpochShuffle(Sampler[int]):
    """Random order of `size` items, another one each epoch, given by the seed and the epoch's number alone.

    Each iteration is the next epoch. Lightning calls `set_epoch`, so a resumed run goes on with the orders that the
    uninterrupted one would have had.

    Args:
        size: Number of items.
        seed: Seed of the orders.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        self.epoch += 1
        return iter(order.tolist())


class CompleteBatch(BaseTransform):
    """Give a sampled batch what the full graph has: sorted structure, its own normalisation, the graph's density.

    Args:
        full: The full graph.
    """

    def __init__(self, full: Data) -> None:
        self.density = full.get("density")
        self.splits: dict[str, NodeSplit] = full.get("splits") or {}

    def forward(self, data: Data) -> Data:
        """Return the completed batch.

        Args:
            data: Batch with `n_id`, the full graph's number of each node.
        """
        data = SymmetricNormalization()(ToSortedEdgeIndex()(data))
        data.density = self.density
        data.splits = {label: NodeSplit(*(mask[data.n_id] for mask in split)) for label, split in self.splits.items()}
        return data


class LateStart:
    """Mixin of a loader that starts at its first batch: Lightning makes a resumed run's iterator before `set_epoch`."""

    def __iter__(self) -> Iterator[Data]:
        yield from super().__iter__()  # type: ignore[misc]


class _LateNeighborLoader(LateStart, NeighborLoader):
    pass


def neighbor_loader(
    data: Data,
    num_neighbors: list[int],
    batch_size: int,
    shuffle: bool = False,
    num_workers: int = 0,
    seed: int = 0,
) -> NeighborLoader:
    """Build PyG's `NeighborLoader` over all nodes of a graph, with induced subgraphs as batches.

    A batch is a `Data` like the full graph: `edge_index` is a sorted symmetric `EdgeIndex`, `edge_weight` its own
    normalisation, `density` the full graph's. Its first `batch_size` nodes are the seeds; `n_id` names all its nodes.

    Args:
        data: Graph whose `edge_index` is an `EdgeIndex` sorted by "col", on the CPU.
        num_neighbors: Neighbours to draw per node in each hop; -1 takes all.
        batch_size: Seed nodes in a batch, at least 1.
        shuffle: Visit the nodes in random order, another one each epoch (see `EpochShuffle`); else in their own order.
        num_workers: Worker processes, 0 for none.
        seed: Seed of the order and of the neighbours, not negative.

    Returns:
        The loader.

    Raises:
        ValueError: If `batch_size` or `num_neighbors` is out of range.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, or None for the full graph, got {batch_size}")
    sampler = InducedNeighborSampler(data.edge_index, num_neighbors, seed)
    return _LateNeighborLoader(
        data,
        num_neighbors=num_neighbors,
        neighbor_sampler=sampler,
        transform=CompleteBatch(data),
        batch_size=batch_size,
        sampler=EpochShuffle(data.num_nodes, seed) if shuffle else None,
        num_workers=num_workers,
        generator=torch.Generator().manual_seed(seed),  # of the workers
    )
