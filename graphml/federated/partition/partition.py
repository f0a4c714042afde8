"""Who holds what: the items of each client, and the edges that are left among them."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from graphml.federated.partition.items import Items
from graphml.federated.partition.statistics import PartitionStatistics, total_variation


class Partition:
    """The items of each of K clients. Clients may overlap, and an item may be in none.

    A client holds the edges among its items: one between two clients is seen by neither (the subgraph federation of
    Zhang et al., "Subgraph Federated Learning with Missing Neighbor Generation", NeurIPS 2021). Edges are computed when
    they are asked for.

    Args:
        members: For each client, the numbers of its items, at least one, in any order.
        num_items: Number of items N.
        edge_index: ``[2, E]`` edges between items, or None where there are none.
        drop_edge: Share of its edges that each client loses, in [0, 1); each one draws by itself. Both directions of an
            edge go together.
        seed: Seed of the edges that are dropped, not negative.

    Attributes:
        members: For each client, int64 ``[n]``, sorted and each item once.

    Raises:
        ValueError: If there is no client, a client has no item, an item is out of range or `drop_edge` is.
    """

    def __init__(
        self,
        members: Sequence[Tensor],
        num_items: int,
        edge_index: Tensor | None = None,
        drop_edge: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not members:
            raise ValueError("members: expected the items of at least one client, got none")
        if not 0 <= drop_edge < 1:
            raise ValueError(f"drop_edge: expected a share in [0, 1), got {drop_edge}")
        self.members = tuple(member.to("cpu", torch.int64).unique() for member in members)
        self.num_items = num_items
        self.edge_index = torch.empty(2, 0, dtype=torch.int64) if edge_index is None else edge_index
        self.drop_edge = drop_edge
        self.seed = seed
        for client, member in enumerate(self.members):
            self._check_member(client, member)

    @classmethod
    def from_owner(cls, owner: Tensor, num_clients: int, edge_index: Tensor | None = None) -> Self:
        """Build a partition in which each item has one client at most.

        Args:
            owner: ``[N]`` client of each item, from 0 to K - 1; -1 for none.
            num_clients: Number of clients K.
            edge_index: ``[2, E]`` edges between items, or None.

        Returns:
            The partition.
        """
        order = owner.argsort(stable=True)[int((owner < 0).sum()) :]
        sizes = owner[order].bincount(minlength=num_clients)
        return cls(order.split(sizes.tolist()), owner.numel(), edge_index)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} clients, {self.num_items} items)"

    def edge_mask(self, client: int) -> Tensor:
        """Say which edges a client holds; the mask picks edge features too.

        Args:
            client: Number of the client, from 0.

        Returns:
            ``[E]`` bool.

        Raises:
            IndexError: If there is no such client.
        """
        if not 0 <= client < len(self):
            raise IndexError(f"client: expected 0 to {len(self) - 1}, got {client}")
        inside = torch.zeros(self.num_items, dtype=torch.bool)
        inside[self.members[client]] = True
        source, target = self.edge_index
        mask = inside[source] & inside[target]
        if self.drop_edge > 0:
            mask[mask.nonzero().view(-1)[self._dropped(client, self.edge_index[:, mask])]] = False
        return mask

    def edges(self, client: int) -> Tensor:
        """Return the edges that a client holds: those among its items, without the dropped ones.

        Args:
            client: Number of the client, from 0.

        Returns:
            ``[2, E_client]`` int64, in numbers of items (not of the client's own), in the order of `edge_index`.

        Raises:
            IndexError: If there is no such client.
        """
        return self.edge_index[:, self.edge_mask(client)]

    def statistics(self, items: Items) -> PartitionStatistics:
        """Count what the clients hold.

        Args:
            items: The items that were dealt.

        Returns:
            The numbers.

        Raises:
            ValueError: If there are more or fewer items than were dealt.
        """
        if items.num_items != self.num_items:
            raise ValueError(f"items: expected the {self.num_items} items that were dealt, got {items.num_items}")
        holders = torch.cat(self.members).bincount(minlength=self.num_items)
        held = torch.zeros(self.edge_index.size(1), dtype=torch.bool)
        for client in range(len(self)):
            held |= self.edge_mask(client)
        counts, skew = self._label_statistics(items)
        return PartitionStatistics(
            sizes=torch.tensor([member.numel() for member in self.members]),
            label_counts=counts,
            label_skew=skew,
            num_edges=held.numel(),
            num_edges_cut=int((~held).sum()),
            num_items_in_none=int((holders == 0).sum()),
            num_items_in_several=int((holders > 1).sum()),
        )

    def _label_statistics(self, items: Items) -> tuple[Tensor | None, Tensor | None]:
        """Count the labels of each client, [K, C], and compare them with those of all items, [K]."""
        if items.labels is None or items.num_classes == 0:
            return None, None
        columns = items.labels + 1  # column 0: unlabelled
        width = items.num_classes + 1
        counts = torch.stack([columns[member].bincount(minlength=width) for member in self.members])[:, 1:]
        return counts, total_variation(counts, columns.bincount(minlength=width)[1:])

    def _dropped(self, client: int, edges: Tensor) -> Tensor:
        """Draw which of a client's edges [2, e] it loses, [e] bool; a pair of items is drawn once."""
        low, high = edges.sort(dim=0).values
        pairs, pair = (low * self.num_items + high).unique(return_inverse=True)
        generator = np.random.default_rng([self.seed, client])  # a stream of its own: any client may be asked first
        lost = torch.zeros(pairs.numel(), dtype=torch.bool)
        lost[generator.permutation(pairs.numel())[: round(self.drop_edge * pairs.numel())]] = True
        return lost[pair]

    def _check_member(self, client: int, member: Tensor) -> None:
        if member.numel() == 0:
            raise ValueError(f"members: expected at least one item for each client, got none for client {client}")
        if not 0 <= int(member[0]) <= int(member[-1]) < self.num_items:
            got = f"{int(member[0])} to {int(member[-1])} for client {client}"
            raise ValueError(f"members: expected items 0 to {self.num_items - 1}, got {got}")
