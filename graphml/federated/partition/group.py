"""Clients that are groups which the data bring along: speakers, sessions, domains, relations."""

import numpy as np
import torch
from numpy.typing import NDArray

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner


class GroupPartitioner(Partitioner):
    """Keeps groups of items whole: one client a group, or several groups packed into each client.

    By "domain" it makes the multi-domain federation of graphs, by "relation" that of links, of FederatedScope-GNN (Wang
    et al., KDD 2022); by "speaker" or "session" that of recordings, whose clients are people. Groups are packed the
    largest first, each into the smallest client (Graham, "Bounds on Multiprocessing Timing Anomalies", 1969: the
    largest client has at most 4/3 of the items that it would have in the best packing).

    Items of no group (-1) are in no client; all others are in exactly one.

    Args:
        by: Name of the groups in `Items.groups`.
        num_clients: Number of clients K, at most that of groups; None for one client a group, in the order of the
            groups' numbers.
        seed: Seed of the order in which groups of equal sizes are packed, not negative.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, by: str, num_clients: int | None = None, seed: int = 0) -> None:
        super().__init__(num_clients, seed)
        self.by = by

    def _natural_clients(self, items: Items) -> int:
        return len(self._groups_of(items)[1])

    def _deal(self, items: Items, num_clients: int) -> Partition:
        group, sizes = self._groups_of(items)
        if num_clients > len(sizes):
            most = f"{len(sizes)}, the number of groups of {self.by!r}"
            raise ValueError(f"num_clients: expected at most {most}, got {num_clients}")
        client = np.arange(len(sizes)) if self.num_clients is None else self._pack(sizes, num_clients)
        owner = np.where(group >= 0, client[group], -1)
        return Partition.from_owner(torch.from_numpy(owner), num_clients, items.edge_index)

    def _groups_of(self, items: Items) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number the groups from 0 without gaps: that of each item, [N], -1 for none, and their sizes, [G]."""
        if self.by not in items.groups:
            raise ValueError(f"by: expected one of {sorted(items.groups)}, the groups of these items, got {self.by!r}")
        numbers = items.groups[self.by].numpy()
        names, sizes = np.unique(numbers[numbers >= 0], return_counts=True)
        if len(names) == 0:
            raise ValueError(f"items.groups[{self.by!r}]: expected at least one item in a group, got none")
        return np.where(numbers >= 0, np.searchsorted(names, numbers), -1), sizes

    def _pack(self, sizes: NDArray[np.int64], num_clients: int) -> NDArray[np.int64]:
        """Choose the client of each group, [G]."""
        order = np.random.default_rng(self.seed).permutation(len(sizes))
        client = np.empty(len(sizes), dtype=np.int64)
        load = np.zeros(num_clients, dtype=np.int64)
        for group in order[np.argsort(-sizes[order], stable=True)]:
            client[group] = load.argmin()
            load[client[group]] += sizes[group]
        return client
