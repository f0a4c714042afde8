"""The one way that items are dealt to clients: a partitioner is called with items and returns a partition."""

from abc import ABC, abstractmethod

from torch import Tensor

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition


class Partitioner(ABC):
    """Deals items to clients. The same seed and items give the same partition, in any process.

    A subclass implements `_deal`.

    Args:
        num_clients: Number of clients K, at least 1; None, where a subclass allows it, for as many as the items tell.
        seed: Seed, not negative.

    Raises:
        ValueError: If `num_clients` is below 1 or `seed` below 0.
    """

    def __init__(self, num_clients: int | None, seed: int = 0) -> None:
        if num_clients is not None and num_clients < 1:
            raise ValueError(f"num_clients: expected at least 1, got {num_clients}")
        if seed < 0:
            raise ValueError(f"seed: expected at least 0, got {seed}")
        self.num_clients = num_clients
        self.seed = seed

    def __call__(self, items: Items) -> Partition:
        """Deal the items.

        Args:
            items: What is dealt.

        Returns:
            The partition, in which each client has an item.

        Raises:
            ValueError: If there are fewer items than clients, or the items lack what the partitioner goes by.
        """
        num_clients = self._natural_clients(items) if self.num_clients is None else self.num_clients
        if num_clients > items.num_items:
            raise ValueError(f"num_clients: expected at most {items.num_items}, the number of items, got {num_clients}")
        return self._deal(items, num_clients)

    @abstractmethod
    def _deal(self, items: Items, num_clients: int) -> Partition:
        """Deal the items, of which there are enough, to the clients."""

    def _natural_clients(self, items: Items) -> int:
        """Return how many clients the items tell of."""
        raise ValueError(f"num_clients: expected a number for {type(self).__name__}, got None")

    def _edges_of(self, items: Items) -> Tensor:
        if items.edge_index is None:
            raise ValueError(f"items.edge_index: expected edges [2, E] for {type(self).__name__}, got None")
        return items.edge_index

    def _labels_of(self, items: Items) -> Tensor:
        if items.labels is None:
            raise ValueError(f"items.labels: expected labels [N] for {type(self).__name__}, got None")
        return items.labels
