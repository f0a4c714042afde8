"""FedNova: changes are averaged by the step, so that clients with more steps do not pull harder."""

from typing import Any

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client
from graphml.federated.local_steps import sgd_options
from graphml.federated.message import Message
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights


class FedNovaClient(Client):
    """Tells the server how much its optimizer makes of a constant gradient.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If clients do not train by SGD, with one momentum for all parameters or none.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        momenta = {group["momentum"] for group in sgd_options(self.local, self.task).values()}
        if len(momenta) != 1:
            raise ValueError(f"local.optimizer: expected one momentum for all parameters, got {sorted(momenta)}")
        self.momentum = float(momenta.pop())

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Add ``effective_steps`` to the metrics.

        Args:
            request: The server's message.
            start: The global weights.
            end: Weights after training.
            metrics: What training measured; ``steps`` among it.
        """
        effective = effective_steps(int(metrics["steps"]), self.momentum)
        return super().finish(request, start, end, metrics | {"effective_steps": effective})


class FedNova(FedAvg):
    r"""Normalised averaging (Wang et al., NeurIPS 2020, arXiv 2007.07481, section 5).

    .. math::
        \mathbf{w} \leftarrow \mathbf{w} + \tau_\mathrm{eff} \sum_k p_k \frac{\mathbf{w}_k - \mathbf{w}}{a_k},
        \qquad \tau_\mathrm{eff} = \sum_k p_k a_k

    with :math:`p_k` the client's share of the examples and :math:`a_k` its steps, each counted by what the optimizer
    makes of it (`effective_steps`). FedAvg minimises a loss in which a client with twice the steps counts twice; this
    does not. Buffers are averaged. All clients need the same learning rate.

    Args:
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].
    """

    client = FedNovaClient

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Stretch each client's change to the mean number of steps, and average.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        moved = {number: reply for number, reply in replies.items() if reply.metrics["effective_steps"] > 0}
        examples = sum(reply.metrics["num_examples"] for reply in moved.values())
        if examples > 0:
            steps = [reply.metrics["num_examples"] * reply.metrics["effective_steps"] for reply in moved.values()]
            super().aggregate_fit(
                round, {number: self._stretched(reply, sum(steps) / examples) for number, reply in moved.items()}
            )

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer: it must tell its number of steps as well.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        wrong = super().check(round, reply)
        if wrong is None and not reply.metrics.get("effective_steps", -1.0) >= 0:
            wrong = f"sent effective_steps {reply.metrics.get('effective_steps')}, expected at least 0"
        return wrong

    def _stretched(self, reply: Message, steps: float) -> Message:
        factor = steps / reply.metrics["effective_steps"]
        # lerp by 1 is the client's own weight, to the last bit: with equal steps this is FedAvg.
        arrays = {
            name: self.state[name].lerp(value, factor) if name in self.trained else value
            for name, value in reply.arrays.items()
        }
        return Message(arrays, reply.metrics)


def effective_steps(steps: int, momentum: float) -> float:
    r"""Sum of what a local training makes of each gradient, in learning rates (arXiv 2007.07481, section 4.1).

    .. math::
        \lVert \mathbf{a} \rVert_1 = \sum_{j=1}^{\tau} \frac{1 - \rho^j}{1 - \rho}

    Args:
        steps: Steps :math:`\tau`, not negative.
        momentum: Momentum :math:`\rho` of SGD, in [0, 1).

    Returns:
        The sum; without momentum the number of steps.
    """
    last = momentum * (1 - momentum**steps) / (1 - momentum)
    return (steps - last) / (1 - momentum)
