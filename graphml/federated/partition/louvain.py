"""Clients that are communities of the graph: few edges are cut, and labels come out skewed."""

import networkx as nx
import torch
from torch import Tensor

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner


class LouvainPartitioner(Partitioner):
    r"""Packs Louvain communities into clients of nearly equal sizes.

    Blondel et al., "Fast Unfolding of Communities in Large Networks", J. Stat. Mech. 2008, as FederatedScope-GNN (Wang
    et al., KDD 2022) makes clients of it: a community is cut into pieces of at most :math:`N/K - \delta` items; the
    pieces, the largest first, go round the clients, each to the next one that has room up to :math:`N/K + \delta`. Of
    a piece that fits nowhere (there the reference never ends) the smallest client takes what it has room for, and the
    rest goes on. networkx finds the communities, seeded, of the graph as undirected and without weights.

    Every item is in exactly one client. A community is cut by the numbers of its items, not by its edges: where clients
    are much smaller than communities, most edges are lost, and `MetisPartitioner` keeps more.

    Args:
        num_clients: Number of clients K.
        seed: Seed, not negative.
        delta: How far a client may be above N/K items, and a piece must be below, from 0 to below N/K.

    Raises:
        ValueError: If `delta` is negative.
    """

    def __init__(self, num_clients: int, seed: int = 0, delta: int = 20) -> None:
        super().__init__(num_clients, seed)
        if delta < 0:
            raise ValueError(f"delta: expected at least 0, got {delta}")
        self.delta = delta

    def _deal(self, items: Items, num_clients: int) -> Partition:
        share = items.num_items // num_clients
        if self.delta >= share:
            got = f"got {self.delta} for {items.num_items} items and {num_clients} clients"
            raise ValueError(f"delta: expected less than {share}, the items of a client, {got}")
        communities = self._communities(items.num_items, self._edges_of(items))
        pieces = [piece for community in communities for piece in community.split(share - self.delta)]
        room = max(share + self.delta, -(-items.num_items // num_clients))  # N/K is rounded down, and all have to fit
        members = _pack(pieces, num_clients, room)
        return Partition(members, items.num_items, items.edge_index)

    def _communities(self, num_items: int, edge_index: Tensor) -> list[Tensor]:
        """Find the communities, by their first items, the items of each in order: sets promise no order."""
        graph: nx.Graph[int] = nx.Graph()
        graph.add_nodes_from(range(num_items))
        graph.add_edges_from(edge_index.t().tolist())
        found = nx.community.louvain_communities(graph, seed=self.seed)
        return [torch.tensor(community) for community in sorted(sorted(community) for community in found)]


def _pack(pieces: list[Tensor], num_clients: int, room: int) -> list[Tensor]:
    """Deal pieces of items round the clients, the largest first; no client gets more items than it has room for."""
    held: list[list[Tensor]] = [[] for _ in range(num_clients)]
    sizes = [0] * num_clients
    turn = 0
    for piece in sorted(pieces, key=len, reverse=True):
        rest = piece
        while len(rest) > 0:
            round_trip = [(turn + step) % num_clients for step in range(num_clients)]
            roomy = (client for client in round_trip if sizes[client] + len(rest) <= room)
            client = next(roomy, min(round_trip, key=sizes.__getitem__))
            taken, rest = rest.tensor_split([room - sizes[client]])
            held[client].append(taken)
            sizes[client] += len(taken)
            turn = client + 1
    return [torch.cat(pieces) for pieces in held]
