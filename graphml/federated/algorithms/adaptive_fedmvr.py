"""FedMVR with steps of their own for each parameter, which server and clients agree on."""

import math
from collections.abc import Callable

import torch

from graphml.federated.algorithms.fedmvr import FedMVR, FedMVRClient
from graphml.federated.client import Client
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, weighted_average


class AdaptiveFedMVRClient(FedMVRClient):
    """Divides each step by the adaptive matrix, which it computes as the server and all other clients do."""

    def fit(self, request: Message) -> Message:
        """Train; or, before training, send the gradient at the initial weights.

        Args:
            request: The server's message; ``config`` holds the ``round``.

        Returns:
            As `FedMVRClient`; in round 0 the ``estimator`` alone.
        """
        if int(request.config["round"]) > 0:
            return super().fit(request)
        self.task.load_state_dict(self.start(request))
        self.task.train()
        with forked_random_state(derived_seed(self.seed, 0, self.number)) as generator:
            batches = self.view(self.data).batches("train", generator)
            found = [self._gradient(batch, generator)[1] for batch in batches]
        zeros = {name: torch.zeros_like(self.initial[name]) for name in self.rates}
        mean = weighted_average(found, [1.0] * len(found)) if found else zeros
        return Message(under("estimator", mean), {"num_examples": self.data.num_examples("train")})

    def scale(self, request: Message) -> Weights:
        """The matrix's diagonal.

        Args:
            request: The server's message, with the ``second`` moment; ``config`` holds ``tau``.
        """
        tau = float(request.config["tau"])
        return {name: value.sqrt() + tau for name, value in taken_from("second", request.arrays).items()}


class AdaptiveFedMVR(FedMVR):
    r"""Federated momentum-based variance reduction with adaptive steps: a reconstruction of arXiv 2412.11660.

    The algorithm of that paper is not available to us. This is `FedMVR` with the adaptive matrix of its published
    relatives, one for the server and all clients, and the same for all local steps of a round:

    .. math::
        \mathbf{v}_r = \beta \mathbf{v}_{r-1} + (1 - \beta) \bar{\mathbf{d}}_{r-1}^2, \qquad
        \mathbf{A}_r = \operatorname{diag}(\sqrt{\mathbf{v}_r} + \tau), \qquad
        \mathbf{x}_{t+1} = \mathbf{x}_t - \eta \mathbf{A}_r^{-1} \mathbf{d}_t

    A matrix for all clients is that of FAFED (Wu, Huang, Hu, Huang, AAAI 2023, arXiv 2212.00974), which shows that
    clients with matrices of their own may diverge; there :math:`\mathbf{v}` is the clients' mean of their squared
    gradients. That it follows the square of the averaged estimate :math:`\bar{\mathbf{d}}`, so that it need not be
    sent up, is as in FedDA-MVR (Li, Huang, Huang, 2023, arXiv 2302.06103). :math:`\mathbf{v}_1` is the square of the
    mean gradient at the initial weights, which the clients send before the first round, and which is its estimate.

    Learning rates are of Adam's size. Messages to the clients are four times as large as FedAvg's, those from them
    twice.

    Args:
        alpha: Share of the present gradient by itself, in (0, 1].
        beta: Memory of the second moment, in [0, 1].
        tau: Added to its root, above 0: the larger, the more alike are the steps of all parameters.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = AdaptiveFedMVRClient
    preparation = 1

    def __init__(self, alpha: float = 0.1, beta: float = 0.9, tau: float = 1e-3, client_fraction: float = 1.0) -> None:
        super().__init__(alpha, client_fraction)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta: expected a number in [0, 1], got {beta}")
        if not 0 < tau < math.inf:
            raise ValueError(f"tau: expected a finite number above 0, got {tau}")
        self.beta, self.tau = beta, tau

    def request(self, round: int, **config: Scalar) -> Message:
        """What `FedMVR` sends, the second moment, and tau.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        return super().request(round, tau=self.tau, **config)

    def expected(self, round: int) -> Weights:
        """Weights and an estimate; before training the estimate alone.

        Args:
            round: Number of the round.
        """
        arrays = super().expected(round)
        return arrays if round > 0 else under("estimator", taken_from("estimator", arrays))

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average weights and estimates; before training, begin with the second moment.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        if round > 0:
            super().aggregate_fit(round, replies)
            return
        shares = [reply.metrics["num_examples"] for reply in replies.values()]
        gradients = [taken_from("estimator", reply.arrays) for reply in replies.values()]
        mean = weighted_average(gradients, shares if sum(shares) > 0 else [1.0] * len(shares))
        self.remember(mean, {name: self.state[name] for name in sorted(self.trained)})

    def remember(self, estimator: Weights, previous: Weights) -> None:
        """Keep the mean of the estimates, and let the second moment follow its square.

        Args:
            estimator: The mean.
            previous: The weights that it belongs to.
        """
        second = taken_from("second", self.memory)
        square = {name: value.square() for name, value in estimator.items()}
        new = {name: self.beta * second.get(name, value) + (1 - self.beta) * value for name, value in square.items()}
        super().remember(estimator, previous)
        self.memory = self.memory | under("second", new)
