"""Mini-batches of a large graph: clusters of nodes with all edges among them.

PyG's `ClusterData` needs METIS from pyg-lib or torch-sparse, which are compiled for one torch version each. Here a
streaming partition in NumPy stands in, and a partition made elsewhere is taken as it is.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from graphml.data.neighbor_sampler import CompleteBatch, EpochShuffle, InducedNeighborSampler, LateStart

NODE_TENSORS = ("x", "y", "train_mask", "val_mask", "test_mask")


def stream_partition(edge_index: EdgeIndex, num_clusters: int, passes: int = 6) -> Tensor:
    """Cut a graph into clusters of nearly equal sizes with many edges inside them.

    Restreaming linear deterministic greedy: Nishimura, Ugander, "Restreaming Graph Partitioning", KDD 2013. The nodes
    come by in reverse Cuthill-McKee order, which keeps neighbours together; each goes where most of its neighbours are,
    times the room that is left there. Nothing is random.

    Args:
        edge_index: Symmetric `EdgeIndex` [2, E] sorted by "col" (as `ToSortedEdgeIndex` makes it).
        num_clusters: Clusters C, from 1 to the number of nodes.
        passes: How often all nodes come by.

    Returns:
        ``[N]`` cluster of each node, from 0 and without gaps; a cluster has at most 5 % more nodes than N / C (rounded
        up). There are fewer than C clusters where N / C is so small that some stay empty.

    Raises:
        ValueError: If `num_clusters` is out of range or `passes` is below 1.
    """
    (pointer, source), _ = edge_index.get_csc()
    num_nodes = pointer.numel() - 1
    if not 1 <= num_clusters <= num_nodes:
        raise ValueError(f"num_clusters: expected 1 to {num_nodes}, the number of nodes, got {num_clusters}")
    if passes < 1:
        raise ValueError(f"passes: expected at least 1, got {passes}")
    first, neighbor = pointer.numpy(), source.numpy()
    matrix = csr_array((np.ones(len(neighbor), dtype=np.int8), neighbor, first), shape=(num_nodes, num_nodes))
    order = reverse_cuthill_mckee(matrix.tocsr(), symmetric_mode=True)
    cluster = np.full(num_nodes, -1)
    for _ in range(passes):
        _stream(order, first, neighbor, cluster, num_clusters)
    return torch.from_numpy(np.unique(cluster, return_inverse=True)[1])


def _stream(
    order: NDArray[np.int32], first: NDArray[Any], neighbor: NDArray[Any], cluster: NDArray[np.int64], count: int
) -> None:
    """Let all nodes come by once, and write their clusters."""
    room = float(np.ceil(1.05 * len(cluster) / count))
    size = np.bincount(cluster[cluster >= 0], minlength=count)
    for node in order.tolist():
        if cluster[node] >= 0:
            size[cluster[node]] -= 1
        around = cluster[neighbor[first[node] : first[node + 1]]]
        wanted = np.bincount(around[around >= 0], minlength=count) * (1 - size / room)
        best = int(wanted.argmax())
        if wanted[best] <= 0:
            best = int(size.argmin())
        cluster[node] = best
        size[best] += 1


class _Clusters(Dataset[Data]):
    """The clusters of a graph; several at once make one graph with the edges between them."""

    def __init__(self, data: Data, cluster: Tensor) -> None:
        self.data = data
        self.sampler = InducedNeighborSampler(data.edge_index, [-1])
        self.members = cluster.argsort(stable=True).split(cluster.bincount().tolist())
        self.complete = CompleteBatch(data)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, number: int) -> Data:
        return self.__getitems__([number])

    def __getitems__(self, numbers: list[int]) -> Data:
        node = torch.cat([self.members[number] for number in numbers])
        batch = Data(n_id=node, edge_index=torch.stack(self.sampler.induced_edges(node)), num_nodes=node.numel())
        for name in NODE_TENSORS:
            if name in self.data:
                batch[name] = self.data[name][node]
        complete: Data = self.complete(batch)
        return complete


class _LateLoader(LateStart, DataLoader[Data]):  # type: ignore[misc]
    pass


def cluster_loader(
    data: Data, cluster: int | Tensor, batch_size: int = 1, shuffle: bool = False, num_workers: int = 0, seed: int = 0
) -> DataLoader[Data]:
    """Build a loader whose batches are some clusters of the graph, with all edges among their nodes.

    Chiang et al., "Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph Convolutional Networks", KDD
    2019. A batch is a `Data` like the full graph and like those of `neighbor_loader`: `edge_index` is a sorted
    symmetric `EdgeIndex`, `edge_weight` its own normalisation, `density` the full graph's; `n_id` names its nodes. Each
    node is in one batch an epoch.

    Args:
        data: Graph whose `edge_index` is an `EdgeIndex` sorted by "col", on the CPU.
        cluster: ``[N]`` cluster of each node, from 0, none of them empty; or the number of clusters to make with
            `stream_partition`.
        batch_size: Clusters in a batch, at least 1.
        shuffle: Join other clusters each epoch (see `EpochShuffle`); else in their own order.
        num_workers: Worker processes, 0 for none.
        seed: Seed of the order, not negative.

    Returns:
        The loader.

    Raises:
        ValueError: If an option is out of range or `cluster` does not give each node a cluster.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    if seed < 0:
        raise ValueError(f"seed: expected at least 0, got {seed}")
    clusters = stream_partition(data.edge_index, cluster) if isinstance(cluster, int) else cluster.cpu()
    if clusters.shape != (data.num_nodes,) or clusters.is_floating_point():
        raise ValueError(
            f"cluster: expected integers [{data.num_nodes}], got {clusters.dtype} of shape {tuple(clusters.shape)}"
        )
    if int(clusters.min()) < 0 or int(clusters.bincount().min()) == 0:
        raise ValueError("cluster: expected numbers from 0, each of them used")
    dataset = _Clusters(data, clusters)
    return _LateLoader(
        dataset,
        batch_size=batch_size,
        sampler=EpochShuffle(len(dataset), seed) if shuffle else None,
        num_workers=num_workers,
        collate_fn=_unchanged,
        generator=torch.Generator().manual_seed(seed),  # of the workers
    )


def _unchanged(batch: Data) -> Data:
    return batch
