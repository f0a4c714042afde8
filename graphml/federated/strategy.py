"""The server half of a federation: four hooks, as in Flower."""

import abc
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.faults import wrong_arrays
from graphml.federated.message import Message, Scalar
from graphml.federated.seeds import derived_seed
from graphml.federated.weights import Weights, summed

Replies = dict[int, Message]
"""Messages by the number of the client, in ascending order."""

Ask = Callable[[dict[int, Message], Weights], Replies]
"""From requests, and examples of the arrays that an answer must have, to the answers of those clients that gave one."""


class Strategy(abc.ABC):
    """What the server asks of its clients, and what it makes of their answers.

    Between rounds a strategy remembers ``state`` (the global weights) and ``memory`` (whatever else, as tensors by
    name), and nothing else: a checkpoint of both continues a run.

    Args:
        client_fraction: Share of the clients that are drawn in each round, in (0, 1]; at least one is.

    Raises:
        ValueError: If the share is out of range.
    """

    client: Callable[..., Client] = Client
    """The client half of the algorithm: its class, or a partial of it that a strategy with options for it sets."""

    preparation: int = 0
    """Rounds of exchange before the first round of training, in which all clients must answer; they are numbered from
    ``1 - preparation`` to 0."""

    personalised: bool = False
    """Whether clients end up with models of their own, so that no global model can be evaluated for all."""

    def __init__(self, client_fraction: float = 1.0) -> None:
        if not 0 < client_fraction <= 1:
            raise ValueError(f"client_fraction: expected a share in (0, 1], got {client_fraction}")
        self.client_fraction = client_fraction
        self.state: Weights = {}
        self.memory: dict[str, Tensor] = {}
        self.trained: frozenset[str] = frozenset()

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin.

        Args:
            state: Initial weights that are shared; personal ones never reach the server.
            num_clients: Number of clients K; they are numbered from 0.
            trained: Names of the parameters, which optimizers change; the rest are buffers, such as BatchNorm's
                statistics, which are averaged and nothing else. None: all that is floating is a parameter.
        """
        self.state, self.memory = dict(state), {}
        floating = frozenset(name for name, value in state.items() if value.is_floating_point())
        self.trained = floating if trained is None else floating.intersection(trained)

    def sample(self, round: int, clients: Sequence[int], seed: int) -> list[int]:
        """Draw the clients of a round, uniformly without repetition.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that can be drawn.
            seed: Seed of the run.

        Returns:
            Their numbers, ascending.
        """
        size = max(1, round_half_up(self.client_fraction * len(clients)))
        generator = torch.Generator().manual_seed(derived_seed(seed, round, -2))
        return sorted(clients[place] for place in torch.randperm(len(clients), generator=generator)[:size].tolist())

    def before_fit(self, round: int, clients: Sequence[int], ask: Ask) -> list[int]:
        """What comes before the training of a round; nothing, as a rule.

        Args:
            round: Number of the round, from 1.
            clients: Numbers of the clients that were drawn.
            ask: Asks some of them for something beside training.

        Returns:
            Those of them that train.
        """
        return list(clients)

    @abc.abstractmethod
    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Messages that start a round.

        Args:
            round: Number of the round, from 1; preparation has numbers up to 0.
            clients: Numbers of the clients that were drawn.

        Returns:
            A message for each; ``config`` holds the ``round``.
        """

    def after_fit(self, round: int, replies: Replies, ask: Ask) -> Replies:
        """What comes between the training of a round and its aggregation; nothing, as a rule.

        Args:
            round: Number of the round, from 1.
            replies: Answers that passed ``check``.
            ask: Asks some of these clients for something beside training.

        Returns:
            Answers to aggregate.
        """
        return replies

    @abc.abstractmethod
    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Make the next global weights.

        Args:
            round: Number of the round.
            replies: Answers that passed ``check``.
        """

    def configure_evaluate(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Messages that ask for an evaluation: the global weights.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        request = Message(self.state, config={"round": round})
        return dict.fromkeys(clients, request)

    def aggregate_evaluate(self, round: int, replies: Replies) -> dict[str, Tensor]:
        """Sum the clients' counts: metrics are those of all examples together.

        Args:
            round: Number of the round.
            replies: The clients' answers.
        """
        return summed(reply.arrays for reply in replies.values())

    def expected(self, round: int) -> Weights:
        """Arrays that an answer must have, as examples of their shapes and types; any other is refused.

        Args:
            round: Number of the round.
        """
        return self.state

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer; None if nothing is.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        return wrong_arrays(reply, self.expected(round))

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights with a configuration.

        Args:
            round: Number of the round.
            **config: What the clients are told.
        """
        return Message(self.state, config={"round": round, **config})


def round_half_up(value: float) -> int:
    """Nearest integer, halves upwards.

    Args:
        value: A number that is not negative.
    """
    return int(value + 0.5)
