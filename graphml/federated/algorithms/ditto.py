"""Ditto: beside the global model each client trains one of its own, held near the global one."""

import math

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, Pull
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.weights import Weights


class DittoClient(Client):
    """Trains both models, and is evaluated with its own."""

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Send the global model's weights as FedAvg does; then train the personal model and remember it.

        Args:
            request: The server's message; ``config`` holds ``strength``.
            start: The global weights.
            end: Weights of the global model after training.
            metrics: What that training measured.
        """
        reply = super().finish(request, start, end, metrics)
        pull = Pull(strength=float(request.config["strength"]), towards=start)
        with forked_random_state(derived_seed(self.seed, int(request.config["round"]), self.number, 1)) as generator:
            own, _ = self.train(self.personal(start), pull, generator)
        self.memory = self.memory | under("personal", own)
        return reply

    def evaluated(self, request: Message) -> Weights:
        """The personal model.

        Args:
            request: The server's message.
        """
        return self.personal(self.start(request))

    def personal(self, shared: Weights) -> Weights:
        """Weights of the personal model.

        Args:
            shared: The global weights: the personal ones too before these are first trained.
        """
        return shared | taken_from("personal", self.memory)


class Ditto(FedAvg):
    r"""Personal models with a pull to the global one (Li et al., ICML 2021, arXiv 2012.04221, algorithm 1).

    .. math::
        \min_{\mathbf{v}_k} F_k(\mathbf{v}_k) + \frac{\lambda}{2} \lVert \mathbf{v}_k - \mathbf{w}^t \rVert^2

    The global model is FedAvg's, and does not know of the personal ones; metrics are those of the personal ones. Both
    are trained for the epochs of `LocalTraining`, so that a round takes twice the time.

    Args:
        strength: Weight :math:`\lambda` of the pull, not negative: 0 is local training, and the personal models come
            to the global one as it grows. The paper tries 0.05 to 2.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client = DittoClient
    personalised = True

    def __init__(self, strength: float = 0.1, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        if not 0 <= strength < math.inf:
            raise ValueError(f"strength: expected a finite number of at least 0, got {strength}")
        self.strength = strength

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights and the strength.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        return super().request(round, strength=self.strength, **config)
