"""FedOpt: the server takes the clients' mean change for a gradient and makes a step of an optimizer of its own."""

import abc
import math
from collections.abc import Collection

import torch
from torch import Tensor

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.message import taken_from, under
from graphml.federated.weights import Weights


class FedOpt(FedAvg):
    r"""SGD at the server (Reddi et al., ICLR 2021, arXiv 2003.00295, algorithm 1); the FedOpt of FederatedScope-GNN.

    .. math::
        \mathbf{w} \leftarrow \mathbf{w} + \eta \, \Delta, \qquad
        \Delta = \sum_k \frac{n_k}{n} (\mathbf{w}_k - \mathbf{w})

    The step is one of the parameters. Buffers, such as BatchNorm's statistics, are averaged: they are measured, not
    trained, and a step beyond their average could make a variance negative.

    Args:
        server_lr: Step of the server :math:`\eta`, above 0; 1 is FedAvg. FederatedScope-GNN tries 0.1 and 0.5.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, server_lr: float = 0.5, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        if not 0 < server_lr < math.inf:
            raise ValueError(f"server_lr: expected a finite number above 0, got {server_lr}")
        self.server_lr = server_lr

    def update(self, average: Weights) -> None:
        """A step of the parameters; the average of all else.

        Args:
            average: Average of the clients' weights.
        """
        self.state = average | self.step({name: average[name] for name in average if name in self.trained})

    def step(self, average: Weights) -> Weights:
        """The next parameters.

        Args:
            average: Average of the clients' parameters.
        """
        # lerp ends at the average itself, to the last bit, where the step is 1.
        return {name: torch.lerp(self.state[name], value, self.server_lr) for name, value in average.items()}


class AdaptiveFedOpt(FedOpt):
    r"""Base of the servers with a step of its own for each parameter (arXiv 2003.00295, algorithm 2).

    .. math::
        \mathbf{m} \leftarrow \beta_1 \mathbf{m} + (1 - \beta_1) \Delta, \qquad
        \mathbf{w} \leftarrow \mathbf{w} + \eta \frac{\mathbf{m}}{\sqrt{\mathbf{v}} + \tau}

    The subclasses differ in how :math:`\mathbf{v}` follows :math:`\Delta^2`. It starts at :math:`\tau^2`, the least
    that the paper allows, and as in the paper neither moment is corrected for its start.

    Args:
        server_lr: Step of the server :math:`\eta`, above 0; the size of a step does not grow with the clients'
            learning rate, so that it is tuned by itself.
        beta1: Memory of the first moment, in [0, 1).
        tau: Adaptivity :math:`\tau`, above 0: the smaller, the more alike are the steps of all parameters.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, server_lr: float, beta1: float, tau: float, client_fraction: float) -> None:
        super().__init__(server_lr, client_fraction)
        if not 0 <= beta1 < 1:
            raise ValueError(f"beta1: expected a number in [0, 1), got {beta1}")
        if not 0 < tau < math.inf:
            raise ValueError(f"tau: expected a finite number above 0, got {tau}")
        self.beta1, self.tau = beta1, tau

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin, with moments as if nothing had ever changed.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        first = {name: torch.zeros_like(state[name]) for name in sorted(self.trained)}
        second = {name: torch.full_like(state[name], self.tau**2) for name in sorted(self.trained)}
        self.memory = under("m", first) | under("v", second)

    def step(self, average: Weights) -> Weights:
        """Update both moments, and step along their ratio.

        Args:
            average: Average of the clients' parameters.
        """
        first, second = taken_from("m", self.memory), taken_from("v", self.memory)
        out = {}
        for name, value in average.items():
            delta = value - self.state[name]
            first[name] = self.beta1 * first[name] + (1 - self.beta1) * delta
            second[name] = self.second_moment(second[name], delta.square())
            out[name] = self.state[name] + self.server_lr * first[name] / (second[name].sqrt() + self.tau)
        self.memory = under("m", first) | under("v", second)
        return out

    @abc.abstractmethod
    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        """The next second moment.

        Args:
            v: The present one.
            square: Square of the clients' mean change, of the same shape.
        """


class FedAdagrad(AdaptiveFedOpt):
    r"""Adagrad at the server: :math:`\mathbf{v} \leftarrow \mathbf{v} + \Delta^2` (arXiv 2003.00295, algorithm 2).

    Args:
        server_lr: Step of the server, above 0.
        beta1: Memory of the first moment, in [0, 1); the paper's Adagrad has none.
        tau: Adaptivity, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self, server_lr: float = 0.1, beta1: float = 0.0, tau: float = 1e-3, client_fraction: float = 1.0
    ) -> None:
        super().__init__(server_lr, beta1, tau, client_fraction)

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        """Add up.

        Args:
            v: The present one.
            square: Square of the clients' mean change.
        """
        return v + square


class FedAdam(AdaptiveFedOpt):
    r"""Adam at the server (arXiv 2003.00295, algorithm 2).

    .. math::
        \mathbf{v} \leftarrow \beta_2 \mathbf{v} + (1 - \beta_2) \Delta^2

    Args:
        server_lr: Step of the server, above 0.
        beta1: Memory of the first moment, in [0, 1).
        beta2: Memory of the second moment, in [0, 1).
        tau: Adaptivity, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        server_lr: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.99,
        tau: float = 1e-3,
        client_fraction: float = 1.0,
    ) -> None:
        super().__init__(server_lr, beta1, tau, client_fraction)
        if not 0 <= beta2 < 1:
            raise ValueError(f"beta2: expected a number in [0, 1), got {beta2}")
        self.beta2 = beta2

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        """Average with the past.

        Args:
            v: The present one.
            square: Square of the clients' mean change.
        """
        return self.beta2 * v + (1 - self.beta2) * square


class FedYogi(FedAdam):
    r"""Yogi at the server (arXiv 2003.00295, algorithm 2): what a large change has left fades slowly.

    .. math::
        \mathbf{v} \leftarrow \mathbf{v} - (1 - \beta_2) \Delta^2 \operatorname{sign}(\mathbf{v} - \Delta^2)

    Args:
        server_lr: Step of the server, above 0.
        beta1: Memory of the first moment, in [0, 1).
        beta2: Memory of the second moment, in [0, 1).
        tau: Adaptivity, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def second_moment(self, v: Tensor, square: Tensor) -> Tensor:
        """Go towards the square by a share of it, whatever the distance.

        Args:
            v: The present one.
            square: Square of the clients' mean change.
        """
        return v - (1 - self.beta2) * square * torch.sign(v - square)
