"""Where the nodes of many clients lie among the rows of one matrix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

import torch
from torch import Tensor

# A client with fewer nodes than this share of its group's largest begins a new group: less padding, more products.
_LEAST_FULL = 0.7


@dataclass(frozen=True)
class Layout:
    """Clients of similar size form groups, in which each has as many rows as the largest: a group is one 3D view.

    Attributes:
        sizes: Number of nodes of each of the K clients, descending, at least 1.
        groups: For each group its number of clients k and their number of rows n; R = sum of k n.
    """

    sizes: tuple[int, ...]
    groups: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sizes: Sequence[int]) -> "Layout":
        """Form the groups.

        Args:
            sizes: Number of nodes of each client, descending, at least 1.
        """
        heads: list[int] = []
        for size in sizes:
            heads.append(heads[-1] if heads and size >= _LEAST_FULL * heads[-1] else size)
        return cls(tuple(sizes), tuple((len(list(same)), rows) for rows, same in groupby(heads)))

    @cached_property
    def starts(self) -> list[int]:
        """First row of each client, and R."""
        rows = [rows for clients, rows in self.groups for _ in range(clients)]
        return [0, *accumulate(rows)]

    @property
    def num_rows(self) -> int:
        """Number of rows R, padding included."""
        return self.starts[-1]

    @cached_property
    def owner(self) -> Tensor:
        """``[R]`` place of the client whose row it is."""
        return torch.repeat_interleave(torch.arange(len(self.sizes)), torch.tensor(self.starts).diff())

    def apply(self, function: Callable[..., Tensor], x: Tensor, *stacked: Tensor) -> Tensor:
        """Apply a function to each group.

        Args:
            function: From ``[k, n, F]`` and ``[k, ...]`` of each stacked tensor to ``[k, n, F']``.
            x: ``[R, F]`` a row a node.
            *stacked: ``[K, ...]`` something for each client.

        Returns:
            ``[R, F']``.
        """
        if len(self.groups) == 1:
            return function(x.view(*self.groups[0], -1), *stacked).flatten(0, 1)
        parts = x.split([clients * rows for clients, rows in self.groups])
        shares = zip(*(tensor.split([clients for clients, _ in self.groups]) for tensor in stacked), strict=True)
        return torch.cat(
            [
                function(part.view(*group, -1), *share).flatten(0, 1)
                for part, group, share in zip(parts, self.groups, shares, strict=True)
            ]
        )
