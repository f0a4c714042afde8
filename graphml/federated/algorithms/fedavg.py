"""FedAvg: the average of the clients' weights, by their numbers of examples."""

from collections.abc import Sequence

from graphml.federated.message import Message
from graphml.federated.strategy import Replies, Strategy
from graphml.federated.weights import Weights, weighted_average


class FedAvg(Strategy):
    r"""Federated averaging (McMahan et al., AISTATS 2017, arXiv 1602.05629).

    .. math::
        \mathbf{w} \leftarrow \sum_k \frac{n_k}{n} \mathbf{w}_k

    over the clients of the round, with :math:`n_k` training examples each. The other algorithms that average are its
    subclasses, and change what a client adds to its gradients (`request`) or what the server makes of the average
    (`update`).

    Args:
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].
    """

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The same message for all: the global weights.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that were drawn.
        """
        return dict.fromkeys(clients, self.request(round))

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average, and hand the average to `update`.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        shares = [reply.metrics["num_examples"] for reply in replies.values()]
        if sum(shares) > 0:  # else nobody has anything to train on, and nothing changes
            states = [{name: reply.arrays[name] for name in self.state} for reply in replies.values()]
            self.update(weighted_average(states, shares))

    def update(self, average: Weights) -> None:
        """Take the average as the next global weights.

        Args:
            average: Average of the clients' weights.
        """
        self.state = average
