"""FedDC: each client learns its drift, and the drift is taken out of what is averaged."""

import math
from collections.abc import Collection

import torch

from graphml.federated.algorithms.scaffold import Scaffold, ScaffoldClient
from graphml.federated.client import Pull
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights


class FedDCClient(ScaffoldClient):
    """Is drawn to the global weights less its own drift, besides the correction of SCAFFOLD."""

    def pull(self, request: Message, start: Weights) -> Pull:
        """Both terms.

        Args:
            request: The server's message; ``config`` holds ``alpha``.
            start: The global weights.
        """
        drift = self.drift(start)
        towards = {name: start[name] - drift[name] for name in drift}
        correction = super().pull(request, start).drift
        return Pull(float(request.config["alpha"]), towards, correction)

    def drift(self, like: Weights) -> Weights:
        """How far all rounds together have taken this client from the global weights; zeros before the first.

        Args:
            like: Weights of the drift's shapes.
        """
        kept = taken_from("drift", self.memory)
        return kept or {name: torch.zeros_like(like[name]) for name in self.rates}

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Add this round's way to the drift.

        Args:
            request: The server's message.
            start: The global weights.
            end: Weights after training.
            metrics: What training measured.
        """
        drift = {name: value + (end[name] - start[name]) for name, value in self.drift(start).items()}
        reply = super().finish(request, start, end, metrics)
        self.memory = self.memory | under("drift", drift)
        return reply


class FedDC(Scaffold):
    r"""Local drift decoupling and correction (Gao et al., CVPR 2022, arXiv 2203.11751, algorithm 1).

    A client minimises

    .. math::
        F_i(\boldsymbol\theta) + \frac{\alpha}{2} \lVert \mathbf{h}_i + \boldsymbol\theta - \mathbf{w} \rVert^2
        + \langle \boldsymbol\theta, \mathbf{c} - \mathbf{c}_i \rangle

    and adds :math:`\boldsymbol\theta_i - \mathbf{w}` to its drift :math:`\mathbf{h}_i`; the server averages
    :math:`\boldsymbol\theta_i + \mathbf{h}_i`. The corrections are the controls of `Scaffold`, as in the authors'
    program: they hold the gradient of the penalty as well. Where not all clients are drawn, the weights are averaged
    over those that answered and the drifts over all, as there: the server knows the drifts from the weights, so that
    they need not be sent.

    Args:
        alpha: Weight of the penalty, not negative; the paper has 0.005 to 0.1, more for few rounds of many clients.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client = FedDCClient

    def __init__(self, alpha: float = 0.01, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction=client_fraction)
        if not 0 <= alpha < math.inf:
            raise ValueError(f"alpha: expected a finite number of at least 0, got {alpha}")
        self.alpha = alpha

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin without drift.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        self.memory = self.memory | self.zeros("drift")

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights, the server's control and alpha.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        return super().request(round, alpha=self.alpha, **config)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Renew the mean drift, then weights and control.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        moved = {
            number: {name: reply.arrays[name] - self.state[name] for name in self.trained}
            for number, reply in replies.items()
        }
        self.add("drift", moved, replies)
        super().aggregate_fit(round, replies)

    def step(self, average: Weights) -> Weights:
        """The average of the clients' parameters and the mean drift together.

        Args:
            average: Average of the clients' parameters.
        """
        drift = self.mean("drift")
        return {name: value + drift[name] for name, value in average.items()}
