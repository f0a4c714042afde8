"""The neighbourhoods of nodes, each a small graph of its own, in a graph of bounded degree."""

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from graphml.data.transforms import SymmetricNormalization


def bounded_degree(edge_index: Tensor, num_nodes: int, max_degree: int, generator: torch.Generator) -> Tensor:
    """A random subgraph in which no node has more neighbours than a bound.

    Undirected edges are taken in random order, each if both its ends have room. Self-loops stay, and count for nothing.

    Args:
        edge_index: Symmetric edges ``[2, E]``, without duplicates.
        num_nodes: Number of nodes.
        max_degree: Most neighbours of a node, at least 1.
        generator: Where the order comes from.

    Returns:
        Symmetric edges ``[2, E']``.
    """
    edges = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
    loops, pairs = edges[:, edges[0] == edges[1]], edges[:, edges[0] < edges[1]]
    room, kept = [max_degree] * num_nodes, []
    for place in torch.randperm(pairs.size(1), generator=generator).tolist():
        a, b = pairs[:, place].tolist()
        if room[a] > 0 and room[b] > 0:
            room[a], room[b] = room[a] - 1, room[b] - 1
            kept.append(place)
    chosen = pairs[:, kept]
    return torch.cat([chosen, chosen.flip(0), loops], dim=1)


def receptive_field(max_degree: int, hops: int) -> int:
    r"""Most nodes within some hops of a node, itself included: :math:`\sum_{l=0}^{h} d^l`.

    Args:
        max_degree: Bound d of the degrees.
        hops: h.
    """
    return sum(max_degree**hop for hop in range(hops + 1))


def balls(graph: Data, edge_index: Tensor, centres: Tensor, hops: int) -> list[Data]:
    """The nodes within some hops of each centre, with the edges among them.

    Everything in a ball depends on its nodes alone; so do the edge weights, which are normalised in the ball.

    Args:
        graph: Gives features ``x`` ``[N, F]``, dense or sparse CSR, and labels ``y`` ``[N]``.
        edge_index: Its edges, or a symmetric part of them, ``[2, E]``.
        centres: Nodes ``[n]``.
        hops: Hops, at least 0.

    Returns:
        A graph for each centre, whose ``train_mask`` holds at the centre alone, the first of its nodes.
    """
    neighbors: list[list[int]] = [[] for _ in range(int(graph.num_nodes or 0))]
    for source, target in edge_index.T.tolist():
        neighbors[target].append(source)
    sparse = graph.x.layout == torch.sparse_csr
    x = graph.x.to_dense() if sparse else graph.x
    out = []
    for centre in centres.tolist():
        place = _reached(neighbors, centre, hops)
        edges = [(place[a], place[b]) for b in place for a in neighbors[b] if a in place]
        nodes = list(place)
        ball = Data(x=x[nodes], y=graph.y[nodes], edge_index=torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T)
        ball.x = ball.x.to_sparse_csr() if sparse else ball.x
        ball.train_mask = torch.arange(len(nodes)) == 0
        out.append(SymmetricNormalization()(ball))
    return out


def _reached(neighbors: list[list[int]], centre: int, hops: int) -> dict[int, int]:
    """Place of each node of a ball, by its number; nearer ones come first."""
    place, frontier = {centre: 0}, [centre]
    for _ in range(hops):
        found = dict.fromkeys(node for near in frontier for node in neighbors[near] if node not in place)
        place |= {node: len(place) + number for number, node in enumerate(found)}
        frontier = list(found)
    return place
