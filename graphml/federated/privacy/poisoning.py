"""Hostile clients: what robust averages are tried against."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from graphml.federated.client_data import ClientData, NodeData
from graphml.federated.message import Message
from graphml.federated.privacy.update import flat_update, with_update
from graphml.federated.uplink import Sealing, UplinkStage


class Poisoning(UplinkStage, abc.ABC):
    """Lets some clients send something else than what they found, of the right shape.

    As the first of the stages it stands for hostile clients; the stages after it treat what they send as they would
    any answer.

    Args:
        clients: Numbers of the hostile clients.
    """

    def __init__(self, clients: Sequence[int]) -> None:
        super().__init__()
        self.clients = frozenset(clients)

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Replace the answer of a hostile client.

        Args:
            answer: What training found.
            sealing: Who sends it.
        """
        if sealing.client.number not in self.clients:
            return answer
        update = self.poisoned(flat_update(answer, sealing.start), sealing.generator)
        return with_update(answer, sealing.start, update)

    @abc.abstractmethod
    def poisoned(self, update: Tensor, generator: torch.Generator) -> Tensor:
        """What is sent instead of an update.

        Args:
            update: How far the weights moved ``[d]``.
            generator: Where to draw from.
        """


class SignFlip(Poisoning):
    """Goes the opposite way, and farther.

    Args:
        clients: Numbers of the hostile clients.
        factor: How many times as far.
    """

    def __init__(self, clients: Sequence[int], factor: float = 10.0) -> None:
        super().__init__(clients)
        self.factor = factor

    def poisoned(self, update: Tensor, generator: torch.Generator) -> Tensor:
        """The update times minus the factor.

        Args:
            update: ``[d]``.
            generator: Unused.
        """
        return -self.factor * update


class GaussianNoise(Poisoning):
    """Sends noise around the weights that it was sent.

    Args:
        clients: Numbers of the hostile clients.
        deviation: Standard deviation of each weight's.
    """

    def __init__(self, clients: Sequence[int], deviation: float = 1.0) -> None:
        super().__init__(clients)
        self.deviation = deviation

    def poisoned(self, update: Tensor, generator: torch.Generator) -> Tensor:
        """Noise.

        Args:
            update: ``[d]``.
            generator: Where it is drawn from.
        """
        return self.deviation * torch.randn(update.shape, generator=generator, dtype=update.dtype)


class LabelFlip(UplinkStage):
    """Lets some clients train on wrong labels: class c becomes ``num_classes - 1 - c`` on their training nodes.

    They train and answer as all others do. For clients with a graph each (`NodeData`).

    Args:
        clients: Numbers of the hostile clients.
        num_classes: Number of classes.
    """

    def __init__(self, clients: Sequence[int], num_classes: int) -> None:
        super().__init__()
        options = {"liars": frozenset(clients), "num_classes": num_classes}
        self.mixins = (type("FlippedLabels", (_FlippedLabels,), options),)


class _FlippedLabels:
    """Mixed into a client's class: the graph with other labels, made once so that an engine knows it again."""

    liars: ClassVar[frozenset[int]]
    num_classes: ClassVar[int]
    _flipped: tuple[ClientData, ClientData] | None = None

    def view(self, data: ClientData) -> ClientData:
        """The client's own graph with other labels of its training nodes.

        Args:
            data: The client's data, or those that it is evaluated on.

        Raises:
            TypeError: If they are no graph.
        """
        seen: ClientData = super().view(data)  # type: ignore[misc]
        if self.number not in self.liars or data is not self.data:  # type: ignore[attr-defined]
            return seen
        if not isinstance(seen, NodeData):
            raise TypeError(f"data: expected NodeData, the graph of a client, got {type(seen).__name__}")
        if self._flipped is None or self._flipped[0] is not seen:
            graph = seen.data.clone()
            graph.y = torch.where(graph.train_mask, self.num_classes - 1 - graph.y, graph.y)
            self._flipped = seen, NodeData(graph)
        return self._flipped[1]
