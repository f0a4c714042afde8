"""Many clients, each made when it is first needed."""

from collections.abc import Callable, Sequence
from typing import overload

from graphml.federated.client import Client


class LazyClients(Sequence[Client]):
    """A sequence of clients that are made on demand and kept.

    Args:
        make: From a number to its client.
        size: Number of clients.
    """

    def __init__(self, make: Callable[[int], Client], size: int) -> None:
        self._make, self._size = make, size
        self.made: dict[int, Client] = {}

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, number: int) -> Client: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Client]: ...

    def __getitem__(self, number: int | slice) -> Client | Sequence[Client]:
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(self._size))]
        if not -self._size <= number < self._size:
            raise IndexError(f"expected a client of 0 to {self._size - 1}, got {number}")
        number %= self._size
        if number not in self.made:
            self.made[number] = self._make(number)
        return self.made[number]
