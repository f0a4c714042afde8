"""SCAFFOLD: control variates take from each client's steps what drives it apart from the others."""

from collections.abc import Collection, Mapping
from typing import Any

import torch

from graphml.federated.algorithms.fedopt import FedOpt
from graphml.federated.client import Client, Pull
from graphml.federated.local_steps import learning_rates
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights


class ScaffoldClient(Client):
    """Adds the difference of the server's control and its own to each gradient.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If clients do not train by SGD without momentum: controls are means of gradients, and are found
            from the weights that those have led to.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rates = learning_rates(self.local, self.task)

    def pull(self, request: Message, start: Weights) -> Pull:
        """The correction ``c - c_i``.

        Args:
            request: The server's message with its control.
            start: The global weights.
        """
        own = self.control(start)
        sent = taken_from("control", request.arrays)
        return Pull(drift={name: sent[name] - own[name] for name in own})

    def control(self, like: Weights) -> Weights:
        """The client's own control; zeros before it first trained.

        Args:
            like: Weights of the control's shapes.
        """
        kept = taken_from("control", self.memory)
        return kept or {name: torch.zeros_like(like[name]) for name in self.rates}

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Renew the control (option II), and send what changed of it beside the weights.

        Args:
            request: The server's message.
            start: The global weights.
            end: Weights after training.
            metrics: What training measured; ``steps`` among it.
        """
        own, steps = self.control(start), metrics["steps"]
        sent = taken_from("control", request.arrays)
        new = own
        if steps > 0:
            new = {
                name: own[name] - sent[name] + (start[name] - end[name]) / (steps * rate)
                for name, rate in self.rates.items()
            }
        reply = super().finish(request, start, end, metrics)
        self.memory = self.memory | under("control", new)
        change = {name: new[name] - own[name] for name in new}
        return Message(reply.arrays | under("control", change), reply.metrics)


class Scaffold(FedOpt):
    r"""Stochastic controlled averaging (Karimireddy et al., ICML 2020, arXiv 1910.06378, algorithm 1, option II).

    Clients step along :math:`\nabla f_i(\mathbf{y}) - \mathbf{c}_i + \mathbf{c}`, and after :math:`K` steps

    .. math::
        \mathbf{c}_i \leftarrow \mathbf{c}_i - \mathbf{c} + \frac{\mathbf{w} - \mathbf{y}_i}{K \eta_l}, \qquad
        \mathbf{c} \leftarrow \mathbf{c} + \sum_{i \in S} p_i \Delta \mathbf{c}_i

    so that with several local steps on unlike clients the optimum is a fixed point, which it is not for FedAvg. In the
    paper all clients weigh the same, :math:`p_i = 1 / N`. Here, as the weights are averaged, :math:`p_i` is the
    client's share of the training examples of all; one that never answered is taken to have as many as the others on
    average (its control is zero).

    A message holds a control beside the weights, in both directions: it is about twice as large as FedAvg's.

    Args:
        server_lr: Step of the server, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client = ScaffoldClient

    def __init__(self, server_lr: float = 1.0, client_fraction: float = 1.0) -> None:
        super().__init__(server_lr, client_fraction)

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin with a control of zeros, and knowing nothing of the clients.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        self.memory = {"examples": torch.full((num_clients,), torch.nan, dtype=torch.float64)} | self.zeros("control")

    def zeros(self, prefix: str) -> Weights:
        """A sum over clients, of nothing as yet.

        Args:
            prefix: What is summed.
        """
        names = sorted(self.trained)
        return under(prefix, {name: torch.zeros_like(self.state[name], dtype=torch.float64) for name in names})

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights and the server's control.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        request = super().request(round, **config)
        return Message(request.arrays | under("control", self.mean("control")), config=request.config)

    def expected(self, round: int) -> Weights:
        """Weights, and what changed of a control.

        Args:
            round: Number of the round.
        """
        return self.state | under("control", {name: self.state[name] for name in self.trained})

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average the weights and renew the server's control.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        super().aggregate_fit(round, replies)
        self.add("control", {number: taken_from("control", reply.arrays) for number, reply in replies.items()}, replies)

    def add(self, prefix: str, changes: Mapping[int, Weights], replies: Replies) -> None:
        """Add what changed of something that each client has to its sum over all clients, by numbers of examples.

        Args:
            prefix: What it is.
            changes: The changes, by the number of the client.
            replies: The answers that they came with.
        """
        examples, sums = self.memory["examples"].clone(), taken_from(prefix, self.memory)
        for number, change in changes.items():
            examples[number] = replies[number].metrics["num_examples"]
            sums = {name: total + examples[number] * change[name] for name, total in sums.items()}
        self.memory = self.memory | {"examples": examples} | under(prefix, sums)

    def mean(self, prefix: str) -> Weights:
        """Mean over all clients, by numbers of examples; zeros before anyone answered.

        Args:
            prefix: What is averaged.
        """
        examples = self.memory["examples"]
        total = float(examples.nanmean().nan_to_num()) * len(examples) or 1.0
        return {
            name: (value / total).to(self.state[name].dtype) for name, value in taken_from(prefix, self.memory).items()
        }
