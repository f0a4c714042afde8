"""Clients drawn at random, with items that all of them share."""

import numpy as np
import torch

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner


class RandomPartitioner(Partitioner):
    """Splits the items at random: a part that all clients hold, and for each client an equal part of the rest.

    The random splitter of FederatedScope-GNN (Wang et al., KDD 2022). There, edges are dropped only among the shared
    items and each by one client; here each client loses a share of all its edges, so that it also acts without overlap.

    Args:
        num_clients: Number of clients K.
        seed: Seed of the split and of the edges that are dropped, not negative.
        overlap: Share of the items that every client holds, in [0, 1).
        drop_edge: Share of its edges that each client loses, in [0, 1).

    Raises:
        ValueError: If a share is out of range.
    """

    def __init__(self, num_clients: int, seed: int = 0, overlap: float = 0.0, drop_edge: float = 0.0) -> None:
        super().__init__(num_clients, seed)
        for name, share in (("overlap", overlap), ("drop_edge", drop_edge)):
            if not 0 <= share < 1:
                raise ValueError(f"{name}: expected a share in [0, 1), got {share}")
        self.overlap = overlap
        self.drop_edge = drop_edge

    def _deal(self, items: Items, num_clients: int) -> Partition:
        order = np.random.default_rng(self.seed).permutation(items.num_items)
        shared, rest = np.split(order, [round(self.overlap * items.num_items)])
        members = [torch.from_numpy(np.concatenate([shared, own])) for own in np.array_split(rest, num_clients)]
        return Partition(members, items.num_items, items.edge_index, self.drop_edge, self.seed)
