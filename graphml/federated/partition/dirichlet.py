"""Clients that differ in their labels, by a degree that one number sets."""

import numpy as np
import torch
from numpy.typing import NDArray

from graphml.federated.partition.items import Items
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner


class DirichletPartitioner(Partitioner):
    r"""Deals the items of each class to the clients in shares drawn from a Dirichlet distribution.

    :math:`p_c \sim \mathrm{Dir}(\alpha, \ldots, \alpha)` over the K clients, for each class c by itself (Yurochkin et
    al., "Bayesian Nonparametric Federated Learning of Neural Networks", ICML 2019): the larger alpha, the more alike
    the clients, in sizes and in labels. For nodes, graphs and dialogues by their labels; with the relation of each link
    as its label it is the relation type splitter of FederatedScope-GNN (Wang et al., KDD 2022).

    Published code draws again until each client has `min_size` items, which for a small alpha and many clients never
    ends; here items drawn from the largest client make up what one lacks. Unlabelled items are dealt evenly. Every item
    is in exactly one client.

    Args:
        num_clients: Number of clients K.
        seed: Seed, not negative.
        alpha: Concentration of the shares, above 0.
        min_size: Least items of a client, at least 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, num_clients: int, seed: int = 0, alpha: float = 0.5, min_size: int = 1) -> None:
        super().__init__(num_clients, seed)
        if not 0 < alpha < float("inf"):
            raise ValueError(f"alpha: expected a finite number above 0, got {alpha}")
        if min_size < 1:
            raise ValueError(f"min_size: expected at least 1, got {min_size}")
        self.alpha = alpha
        self.min_size = min_size

    def _deal(self, items: Items, num_clients: int) -> Partition:
        if num_clients * self.min_size > items.num_items:
            most = items.num_items // num_clients
            got = f"got {self.min_size} for {items.num_items} items and {num_clients} clients"
            raise ValueError(f"min_size: expected at most {most}, {got}")
        generator = np.random.default_rng(self.seed)
        owner = self._draw(self._labels_of(items).numpy(), items.num_classes, num_clients, generator)
        _fill(owner, num_clients, self.min_size, generator)
        return Partition.from_owner(torch.from_numpy(owner), num_clients, items.edge_index)

    def _draw(
        self, labels: NDArray[np.int64], num_classes: int, num_clients: int, generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw the client of each item, [N]."""
        owner = np.full(len(labels), -1)
        full = np.count_nonzero(labels >= 0) / num_clients
        for label in range(num_classes):
            of_label = generator.permutation(np.flatnonzero(labels == label))
            sizes = np.bincount(owner[owner >= 0], minlength=num_clients)
            shares = self._shares(sizes, full, generator)
            cuts = np.rint(shares.cumsum() * len(of_label)).astype(np.int64)[:-1]  # cut off, a share of 0 could get 1
            owner[of_label] = np.searchsorted(cuts, np.arange(len(of_label)), side="right")
        unlabelled = generator.permutation(np.flatnonzero(labels < 0))
        owner[unlabelled] = np.arange(len(unlabelled)) % num_clients
        return owner

    def _shares(self, sizes: NDArray[np.int64], full: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw the clients' shares of the next class, [K].

        Args:
            sizes: ``[K]`` labelled items of each client so far.
            full: Labelled items of a client if all had as many.
            generator: Where they are drawn from.
        """
        return generator.dirichlet(np.full(len(sizes), self.alpha))


def _fill(owner: NDArray[np.int64], num_clients: int, min_size: int, generator: np.random.Generator) -> None:
    """Give each client with fewer than `min_size` items what it lacks, from the largest client, in place."""
    sizes = np.bincount(owner, minlength=num_clients)
    while sizes.min() < min_size:
        poor, rich = int(sizes.argmin()), int(sizes.argmax())
        count = min(min_size - sizes[poor], sizes[rich] - min_size)
        owner[generator.choice(np.flatnonzero(owner == rich), count, replace=False)] = poor
        sizes = np.bincount(owner, minlength=num_clients)
