"""FedProx: clients are held back from going far from the global weights."""

import math

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, Pull
from graphml.federated.message import Message, Scalar
from graphml.federated.weights import Weights


class FedProxClient(Client):
    """Trains with a proximal term around the weights that it was sent."""

    def pull(self, request: Message, start: Weights) -> Pull:
        """Towards the global weights.

        Args:
            request: The server's message; ``config`` holds ``mu``.
            start: The global weights.
        """
        return Pull(strength=float(request.config["mu"]), towards=start)


class FedProx(FedAvg):
    r"""Federated averaging of proximal local objectives (Li et al., MLSys 2020, arXiv 1812.06127, equation 2).

    .. math::
        \min_{\mathbf{w}} F_k(\mathbf{w}) + \frac{\mu}{2} \lVert \mathbf{w} - \mathbf{w}^t \rVert^2

    Args:
        mu: Weight of the proximal term, not negative; 0 is FedAvg. The paper tries 0.001 to 1, FederatedScope-GNN
            0.1, 1 and 5. Local steps of plain SGD are stable for learning rates below ``2 / (L + mu)``, with L the
            smoothness of the local loss.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client = FedProxClient

    def __init__(self, mu: float = 0.1, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        if not 0 <= mu < math.inf:
            raise ValueError(f"mu: expected a finite number of at least 0, got {mu}")
        self.mu = mu

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights and mu.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        return super().request(round, mu=self.mu, **config)
