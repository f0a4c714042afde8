"""FedAvgM: FedAvg with momentum at the server."""

from collections.abc import Collection

import torch

from graphml.federated.algorithms.fedopt import FedOpt
from graphml.federated.message import taken_from, under
from graphml.federated.weights import Weights


class FedAvgM(FedOpt):
    r"""Momentum at the server (Hsu, Qi and Brown, 2019, arXiv 1909.06335).

    .. math::
        \mathbf{v} \leftarrow \beta \mathbf{v} + \Delta, \qquad \mathbf{w} \leftarrow \mathbf{w} + \eta \mathbf{v}

    with :math:`\Delta` the clients' mean change.

    Args:
        server_lr: Step of the server :math:`\eta`, above 0.
        momentum: Memory of past changes :math:`\beta`, in [0, 1); 0 is the SGD server of `FedOpt`, with a step of 1
            FedAvg. The step grows to ``server_lr / (1 - momentum)`` changes where the clients agree for long.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, server_lr: float = 1.0, momentum: float = 0.9, client_fraction: float = 1.0) -> None:
        super().__init__(server_lr, client_fraction)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum: expected a number in [0, 1), got {momentum}")
        self.momentum = momentum

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin at rest.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        self.memory = under("velocity", {name: torch.zeros_like(state[name]) for name in sorted(self.trained)})

    def step(self, average: Weights) -> Weights:
        """Update the velocity, and go along it.

        Args:
            average: Average of the clients' parameters.
        """
        carried = {name: self.momentum * value for name, value in taken_from("velocity", self.memory).items()}
        moved = {name: value + carried[name] for name, value in average.items()}
        self.memory = under("velocity", {name: value - self.state[name] for name, value in moved.items()})
        return super().step(moved)
