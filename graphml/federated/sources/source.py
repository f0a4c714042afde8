"""What all data modules offer to a federation."""

import abc
import functools
from typing import Any

from graphml.federated.client_data import ClientData
from graphml.federated.partition import Items, Partition
from graphml.federated.protocols import Protocol


class Source(abc.ABC):
    """Items that can be dealt to clients, and the data that clients and server make of them."""

    kind: str
    """What the items are, in an error's words."""

    partition: Partition
    """Items of each client, once they are dealt."""

    @abc.abstractmethod
    def items(self) -> Items:
        """What a partitioner sees."""

    def deal(self, partition: Partition, protocol: Protocol | None, seed: int) -> None:
        """Fix who holds what, and which examples are for training, validation and test.

        Args:
            partition: Items of each client.
            protocol: Published protocol whose split is drawn; None for the split of the data module.
            seed: Seed of that split.

        Raises:
            ValueError: If the protocol is one of another kind of data: the published ones are of nodes.
        """
        if protocol is not None:
            raise ValueError(
                f"protocol: expected none for {self.kind}, which their data module splits, got {protocol.name!r}"
            )
        self.partition = partition

    @abc.abstractmethod
    def client_data(self, number: int) -> ClientData:
        """Data of one client; made when asked for.

        Args:
            number: Number of the client.
        """

    def evaluation_data(self, number: int) -> ClientData | None:
        """What the weights of one client are evaluated on; made when asked for.

        Args:
            number: Number of the client.

        Returns:
            The data, or None for those of the server, or of the client where the protocol says so.
        """
        return None

    @abc.abstractmethod
    def server_data(self) -> ClientData:
        """The data that the server evaluates on: all of them, with nothing cut."""


@functools.singledispatch
def source_of(datamodule: Any) -> Source:
    """Source of a data module, chosen by its class.

    Args:
        datamodule: The data module.

    Raises:
        TypeError: If data of this kind cannot be dealt to clients.
    """
    raise TypeError(f"data: expected a data module whose data can be dealt to clients, got {type(datamodule).__name__}")
