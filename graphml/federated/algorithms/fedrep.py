"""FedRep: clients train their heads on the shared body, and then the body under their heads."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from graphml.federated.algorithms.fedper import FedPer, FedPerClient
from graphml.federated.client import Client, Pull
from graphml.federated.weights import Weights


class FedRepClient(FedPerClient):
    """Trains its head first.

    Args:
        *args: As for `Client`.
        head: Modules or parameters of the head; default the last layer.
        head_epochs: Passes over the data that train the head.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the head is none, or the whole model.
    """

    def __init__(self, *args: Any, head: Sequence[str] | None = None, head_epochs: int = 10, **kwargs: Any) -> None:
        super().__init__(*args, head=head, **kwargs)
        local = dataclasses.replace(self.local, epochs=head_epochs)
        self._first = Client(self.number, self.task, self.data, local, seed=self.seed, initial=self.initial)

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """The head alone for its epochs, and then the body alone.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where batches and losses draw from.

        Returns:
            The weights, the ``loss`` of the body's training, and the ``steps`` of both.
        """
        with self._only(head=True):
            middle, first = self._first.train(start, pull, generator)
        with self._only(head=False):
            end, second = super().train(middle, pull, generator)
        return end, second | {"steps": first["steps"] + second["steps"]}

    @contextlib.contextmanager
    def _only(self, head: bool) -> Iterator[None]:
        """Let gradients reach the head alone, or the body alone; optimizers pass over the rest."""
        before = {name: parameter.requires_grad for name, parameter in self.task.named_parameters()}
        try:
            for name, parameter in self.task.named_parameters():
                parameter.requires_grad_(before[name] and self.is_personal(name) == head)
            yield
        finally:
            for name, parameter in self.task.named_parameters():
                parameter.requires_grad_(before[name])


class FedRep(FedPer):
    """A shared representation under heads of the clients' own (Collins et al., ICML 2021, arXiv 2102.07078, alg. 1).

    As in FedPer only the body is sent. In a round a client first fits its head to the body that it was sent, for
    ``head_epochs``, and then trains the body under this head for the epochs of `LocalTraining`. BatchNorm's statistics
    in the body follow the data in both.

    Args:
        head: Modules or parameters of the head, such as ``encoder.lins.1``; default the last layer.
        head_epochs: Passes over the data that train the head, at least 1; 10 in the paper's experiments.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = FedRepClient

    def __init__(self, head: Sequence[str] | None = None, head_epochs: int = 10, client_fraction: float = 1.0) -> None:
        super().__init__(head, client_fraction)
        if head_epochs < 1:
            raise ValueError(f"head_epochs: expected at least 1, got {head_epochs}")
        self.client = functools.partial(FedRepClient, head=head, head_epochs=head_epochs)
