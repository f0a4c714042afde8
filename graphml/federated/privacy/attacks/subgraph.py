"""Small clients: connected pieces of a graph, to attack and to learn attacks from."""

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.utils import k_hop_subgraph, subgraph

from graphml.data.transforms import SymmetricNormalization, ToSortedEdgeIndex
from graphml.ops import as_dense


def connected_nodes(data: Data, num_nodes: int, generator: torch.Generator) -> Tensor:
    """Nodes around a random one, the nearest first; of the same distance those with small numbers first.

    Args:
        data: The graph.
        num_nodes: How many to take, at least 1.
        generator: Where the first node comes from. Nodes in pieces of the graph that are too small are drawn anew.

    Returns:
        Node numbers, ascending [num_nodes].

    Raises:
        ValueError: If no piece of the graph is large enough.
    """
    edges = plain(data.edge_index)
    if num_nodes < 1:
        raise ValueError(f"num_nodes: expected at least 1, got {num_nodes}")
    for first in torch.randperm(data.num_nodes, generator=generator).tolist():
        reached = torch.tensor([first])
        while len(reached) < num_nodes:
            around, *_ = k_hop_subgraph(reached, 1, edges, num_nodes=data.num_nodes)
            new = around[~torch.isin(around, reached)]
            if not len(new):
                break
            reached = torch.cat([reached, new])
        else:
            return reached[:num_nodes].sort().values
    raise ValueError(f"num_nodes: expected at most the size of the graph's largest piece, got {num_nodes}")


def small_client(data: Data, nodes: Tensor) -> Data:
    """The client that holds some nodes of a graph, all of them for training.

    Args:
        data: Graph with ``x`` (dense or sparse), ``y`` and ``edge_index``, with self-loops or without.
        nodes: Node numbers, ascending [n].

    Returns:
        The induced subgraph with dense features and with its own normalisation: it has self-loops where the graph has.
    """
    edges = plain(data.edge_index)
    kept, _ = subgraph(nodes, edges, relabel_nodes=True, num_nodes=data.num_nodes)
    x = as_dense(data.x)
    everyone = torch.ones(len(nodes), dtype=torch.bool)
    nobody = ~everyone
    small = Data(x=x[nodes], y=data.y[nodes], edge_index=kept, n_id=nodes)
    small.train_mask, small.val_mask, small.test_mask = everyone, nobody, nobody.clone()
    whole: Data = SymmetricNormalization()(ToSortedEdgeIndex()(small))
    return whole


def dense_adjacency(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Adjacency matrix without self-loops.

    Args:
        edge_index: Edges [2, E].
        num_nodes: Number of nodes n.

    Returns:
        Zeros and ones, float64 [n, n], the diagonal zero.
    """
    row, col = plain(edge_index)
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    adjacency[row, col] = 1.0
    return adjacency.fill_diagonal_(0.0)


def plain(edge_index: Tensor) -> Tensor:
    """Edges as a plain int64 tensor, which indexing and PyG's functions take.

    Args:
        edge_index: Edges [2, E], as a tensor or as PyG's ``EdgeIndex``.
    """
    return (edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index).to(torch.int64)
