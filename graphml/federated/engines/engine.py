"""What carries messages between a strategy and its clients."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.faults import Fault
from graphml.federated.message import Message


class Engine(abc.ABC):
    """Brings requests to clients and answers back; it knows no algorithm."""

    @abc.abstractmethod
    def exchange(
        self, call: str, clients: Sequence[Client], requests: Mapping[int, Message]
    ) -> dict[int, Message | Fault]:
        """Let clients answer.

        Args:
            call: Name of the client's method: ``describe``, ``fit``, ``evaluate`` or ``assist``.
            clients: All clients.
            requests: A message for each of some clients, by number.

        Returns:
            An answer or a fault of each, in ascending order of their numbers.
        """

    @abc.abstractmethod
    def memories(self, clients: Sequence[Client]) -> dict[int, dict[str, Tensor]]:
        """What the clients remember, for a checkpoint.

        Args:
            clients: All clients.
        """

    @abc.abstractmethod
    def remember(self, clients: Sequence[Client], memories: Mapping[int, dict[str, Tensor]]) -> None:
        """Give the clients back what they remembered.

        Args:
            clients: All clients.
            memories: What `memories` returned.
        """

    def snapshot(self, clients: Sequence[Client]) -> dict[int, Any]:
        """What the clients remember now, in whatever form `restore` takes.

        Args:
            clients: All clients.
        """
        return dict(self.memories(clients))

    def restore(self, clients: Sequence[Client], number: int, snapshot: Mapping[int, Any]) -> None:
        """Give a client back what it remembered, for its answer is not used.

        Args:
            clients: All clients.
            number: Number of the client.
            snapshot: What `snapshot` returned before the last exchange.
        """
        self.remember(clients, {number: snapshot.get(number, {})})
