"""The way from a client to the server: what answers pass through, such as compression, noise or a robust average."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.faults import wrong_arrays
from graphml.federated.message import Message, taken_from, under
from graphml.federated.seeds import derived_seed
from graphml.federated.strategy import Ask, Replies, Strategy
from graphml.federated.uplink_stage import Sealing, UplinkStage
from graphml.federated.weights import Weights

__all__ = ["Sealing", "Uplink", "UplinkStage", "through"]


class Uplink(Strategy):
    """An algorithm whose clients' answers pass through stages on their way to the server.

    The algorithm itself is as it is; stages apply to what clients send after training: in order at the client, in the
    opposite order at the server. What an algorithm exchanges before training, statistics of the features, and counts
    of an evaluation by clients do not pass through them.

    Args:
        strategy: The algorithm.
        stages: At least one stage; one that hides answers is the last, and those before it leave their form alone.

    Raises:
        ValueError: If there is no stage, or the sum of hidden answers could not be opened.
    """

    def __init__(self, strategy: Strategy, stages: list[UplinkStage]) -> None:
        if not stages:
            raise ValueError("stages: expected at least one, got none")
        _check_hidden(stages)
        self.inner, self.stages = strategy, list(stages)
        super().__init__(strategy.client_fraction)
        self.client = through(strategy.client, self.stages)
        self.preparation = strategy.preparation
        self.personalised = strategy.personalised

    @property
    def state(self) -> Weights:
        """Global weights: the algorithm's."""
        return self.inner.state

    @state.setter
    def state(self, state: Weights) -> None:
        self.inner.state = state

    @property
    def memory(self) -> dict[str, Tensor]:
        """What the algorithm remembers, and below ``uplink`` what each stage does."""
        out = dict(self.inner.memory)
        for place, stage in enumerate(self.stages):
            out |= under(f"uplink/{place}", stage.memory)
        return out

    @memory.setter
    def memory(self, memory: dict[str, Tensor]) -> None:
        self.inner.memory = {name: value for name, value in memory.items() if not name.startswith("uplink/")}
        for place, stage in enumerate(self.stages):
            stage.memory = taken_from(f"uplink/{place}", memory)

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin.

        Args:
            state: Initial weights that are shared.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        self.inner.initialize(state, num_clients, trained)
        self.trained = self.inner.trained
        for stage in self.stages:
            stage.initialize(frozenset(state) - self.trained)

    def sample(self, round: int, clients: Sequence[int], seed: int) -> list[int]:
        """Draw the clients of a round, as the algorithm does.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
            seed: Seed of the run.
        """
        return self.inner.sample(round, clients, seed)

    def before_fit(self, round: int, clients: Sequence[int], ask: Ask) -> list[int]:
        """What the algorithm and the stages need before training.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that were drawn.
            ask: Asks some of them for something beside training.
        """
        clients = self.inner.before_fit(round, clients, ask)
        for place, stage in enumerate(self.stages):
            clients = stage.before_fit(round, clients, _to_stage(place, ask))
        return list(clients)

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The algorithm's messages, with what the stages add.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        requests = self.inner.configure_fit(round, clients)
        for stage in self.stages if round > 0 else ():
            requests = stage.address(requests)
        return requests

    def after_fit(self, round: int, replies: Replies, ask: Ask) -> Replies:
        """What the stages need after training.

        Args:
            round: Number of the round.
            replies: Sealed answers.
            ask: Asks some of these clients for something beside training.
        """
        for place, stage in reversed(list(enumerate(self.stages))):
            replies = stage.after_fit(round, replies, _to_stage(place, ask))
        return replies

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Open and combine the answers, stage by stage, and give them to the algorithm.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        if round > 0:
            for stage, expected in self._undone(round):
                opened = {number: stage.open(reply, expected) for number, reply in replies.items()}
                replies = stage.combine(opened, self.inner.state)
        self.inner.aggregate_fit(round, replies)

    def configure_evaluate(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The algorithm's messages.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return self.inner.configure_evaluate(round, clients)

    def aggregate_evaluate(self, round: int, replies: Replies) -> dict[str, Tensor]:
        """What the algorithm makes of the counts.

        Args:
            round: Number of the round.
            replies: The clients' answers.
        """
        return self.inner.aggregate_evaluate(round, replies)

    def expected(self, round: int) -> Weights:
        """Arrays of a sealed answer.

        Args:
            round: Number of the round.
        """
        return self._wired(round)[-1]

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer, sealed or opened.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        if round < 1:
            return self.inner.check(round, reply)
        wired = self._wired(round)
        # An algorithm whose answers are no copy of its weights checks them in its own way, once they are open.
        reason = None if wired[-1] is wired[0] else wrong_arrays(reply, wired[-1])
        if reason is not None or any(stage.hides for stage in self.stages):
            return reason
        try:
            return self.inner.check(round, self._opened(round, reply))
        except ValueError as error:
            return f"sent what cannot be opened: {error}"

    def _wired(self, round: int) -> list[Weights]:
        """Arrays before the first stage, after it, after the second, and so on."""
        out = [self.inner.expected(round)]
        for stage in self.stages:
            out.append(stage.wire(out[-1]))
        return out

    def _undone(self, round: int) -> list[tuple[UplinkStage, Weights]]:
        """The stages from the last to the first, each with the arrays that it was given to seal."""
        return list(zip(reversed(self.stages), reversed(self._wired(round)[:-1]), strict=True))

    def _opened(self, round: int, reply: Message) -> Message:
        for stage, expected in self._undone(round):
            reply = stage.open(reply, expected)
        return reply


def _check_hidden(stages: Sequence[UplinkStage]) -> None:
    for place, stage in enumerate(stages):
        name = type(stage).__name__
        if stage.hides and place + 1 < len(stages):
            raise ValueError(f"stages: expected {name} to be the last, for nothing else can open what it hides")
        packed = [type(each).__name__ for each in stages[:place] if type(each).wire is not UplinkStage.wire]
        if stage.hides and packed:
            raise ValueError(f"stages: expected answers of their own form before {name}, got {packed[0]}")


def _to_stage(place: int, ask: Ask) -> Ask:
    """Asks the client's half of one stage."""

    def asked(requests: dict[int, Message], expected: Weights) -> Replies:
        named = {
            number: Message(request.arrays, request.metrics, request.config | {"stage": place})
            for number, request in requests.items()
        }
        return ask(named, expected)

    return asked


class _Sealed:
    """Mixed into a client's class: seals what it sends after training."""

    stages: ClassVar[Sequence[UplinkStage]] = ()

    def assist(self, request: Message) -> Message:
        """Answer what a stage asks beside training.

        Args:
            request: The server's message; ``config`` holds the number of the ``stage``.
        """
        return self.stages[int(request.config["stage"])].assist(request, self)  # type: ignore[arg-type]

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Remember what is personal, and seal the rest for the server.

        Args:
            request: The server's message.
            start: Weights that training started from.
            end: Weights after it.
            metrics: What training measured.
        """
        answer: Message = super().finish(request, start, end, metrics)  # type: ignore[misc]
        client: Client = self  # type: ignore[assignment]
        for place, stage in enumerate(self.stages):
            key = client.seed, int(request.config["round"]), client.number, place
            generator = torch.Generator().manual_seed(derived_seed(*key))
            answer = stage.seal(answer, Sealing(client, request, start, generator))
        return answer


def through(client: Callable[..., Client], stages: Sequence[UplinkStage]) -> Callable[..., Client]:
    """The client half of an algorithm, with the client halves of stages.

    Args:
        client: Class of the algorithm's clients, or a partial of it.
        stages: The stages.

    Returns:
        A class derived from it, or a partial of that with the same options.
    """
    if isinstance(client, functools.partial):
        return functools.partial(through(client.func, stages), *client.args, **client.keywords)
    mixins = tuple(dict.fromkeys(mixin for stage in stages for mixin in stage.mixins))  # two stages may share one
    bases: tuple[Any, ...] = (_Sealed, *mixins, client)
    kind: type[Client] = type(f"Sealed{client.__name__}", bases, {"stages": tuple(stages)})
    return kind
