"""FedPer: a shared body, and a head of its own for each client."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client
from graphml.federated.weights import belongs

HEADS = ("head", "classify")
"""What models call their head."""


class FedPerClient(Client):
    """Keeps its head to itself.

    Args:
        *args: As for `Client`.
        head: Modules or parameters of the head, such as ``encoder.lins.1``; default what `last_layer` finds.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the task has no weight under one of these names, or no other weights.
    """

    def __init__(self, *args: Any, head: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head = tuple(last_layer(self.task) if head is None else head)
        names = list(self.initial)
        for part in self.head:
            if not any(belongs(name, part) for name in names):
                raise ValueError(f"head: expected names of modules or parameters of the model, got {part!r}")
        if not self.head or all(self.is_personal(name) for name in names):
            raise ValueError(f"head: expected a part of the model, which leaves another to share, got {self.head}")

    def is_personal(self, name: str) -> bool:
        """Whether a weight is the head's.

        Args:
            name: Name of the weight.
        """
        return any(belongs(name, part) for part in self.head)


class FedPer(FedAvg):
    """FedAvg of the body alone (Arivazhagan et al., 2019, arXiv 1912.00818, algorithms 1 and 2).

    Clients train body and head together; the head is neither sent nor averaged.

    Args:
        head: Modules or parameters of the head, such as ``encoder.lins.1``; default the last layer.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].
    """

    client: Callable[..., Client] = FedPerClient
    personalised = True

    def __init__(self, head: Sequence[str] | None = None, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        self.client = functools.partial(FedPerClient, head=head)


def last_layer(model: nn.Module, prefix: str = "") -> list[str]:
    """Find the head of a model.

    It is what is called ``head`` or ``classify``, or else the last layer: the last child with parameters, of that one
    the last child, and so on. Where a model has its layers in lists side by side, such as matrices and biases, it is
    the last of each list.

    Args:
        model: The model.
        prefix: What is put before the names.

    Returns:
        Names of modules; none if no child has a parameter.
    """
    named = [name for name, module in model.named_modules() if name.rpartition(".")[2] in HEADS and _trains(module)]
    if named:
        return [prefix + name for name in named]
    children = [(name, child) for name, child in model.named_children() if _trains(child)]
    if not children:
        return [prefix.removesuffix(".")] if prefix else []
    name, last = children[-1]
    if isinstance(last, nn.ModuleList):
        lists = [name for name, child in children if isinstance(child, nn.ModuleList) and len(child) == len(last)]
        return [f"{prefix}{name}.{len(last) - 1}" for name in lists]
    return last_layer(last, f"{prefix}{name}.")


def _trains(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
