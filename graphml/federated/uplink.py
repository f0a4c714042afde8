"""The way from a client to the server: what answers pass through, such as compression, noise or a robust average."""

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.faults import wrong_arrays
from graphml.federated.message import Message, taken_from, under
from graphml.federated.seeds import derived_seed
from graphml.federated.strategy import Replies, Strategy
from graphml.federated.weights import Weights, parameter_names


@dataclass(frozen=True)
class Sealing:
    """What a stage knows at the client when it seals an answer.

    Attributes:
        client: The client; a stage may remember something in its ``memory``, under a name of its own.
        request: What the server had sent.
        start: Weights that training started from.
        generator: Where the stage draws from; its seed is of this run, round, client and stage.
    """

    client: Client
    request: Message
    start: Weights
    generator: torch.Generator

    @property
    def buffers(self) -> frozenset[str]:
        """Names of the weights that no optimizer changes."""
        task = self.client.task
        return frozenset(task.state_dict()) - parameter_names(task)


class UplinkStage:
    """Something that answers pass through on their way from the clients to the server. As it stands, nothing happens.

    Its halves are `seal` (and `mixins`) at the client, and `open` and `combine` at the server. A stage is made in each
    process of a federation from the same options, so it keeps nothing that is drawn in its constructor; what the
    server's half remembers stands in ``memory``, what the client's half remembers in the client's.

    Attributes:
        memory: What the server's half remembers between rounds.
        buffers: Names of the weights that no optimizer changes; the server's half knows them from `initialize` on.
    """

    hides: ClassVar[bool] = False
    """Whether the server cannot open a single answer, only combine them all."""

    mixins: tuple[type, ...] = ()
    """Classes that the client's class is derived from, before its own: a stage that changes the training itself."""

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}
        self.buffers: frozenset[str] = frozenset()

    def initialize(self, buffers: frozenset[str]) -> None:
        """Server's half: begin, and remember nothing of another run.

        Args:
            buffers: Names of the weights that no optimizer changes.
        """
        self.memory, self.buffers = {}, buffers

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Client's half.

        Args:
            answer: What the stages before made of the client's answer.
            sealing: Who seals it, and in answer to what.

        Returns:
            What is sent, or passed to the next stage.
        """
        return answer

    def wire(self, expected: Weights) -> Weights:
        """Arrays of a sealed answer.

        Args:
            expected: Arrays of an answer before it is sealed, as examples of shape and type.

        Returns:
            Arrays of a sealed one; the same object where sealing does not change shapes, types and names.
        """
        return expected

    def open(self, answer: Message, expected: Weights) -> Message:
        """Server's half for one answer: undo what sealing did to its form.

        Args:
            answer: A sealed answer whose arrays are those of `wire`.
            expected: Arrays that the opened one must have, as examples of shape and type.

        Raises:
            ValueError: If it cannot be opened; the client's answer is not used then.
        """
        return answer

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """Server's half for all answers of a round, before the algorithm sees them.

        Args:
            answers: Answers that passed the checks, opened by this stage and those after it.
            shared: Global weights that the clients were sent.

        Returns:
            Answers for the algorithm: all or some of them, or a single one that stands for all. (A weighted average
            of one answer is that answer.)
        """
        return answers


class Uplink(Strategy):
    """An algorithm whose clients' answers pass through stages on their way to the server.

    The algorithm itself is as it is; stages apply to what clients send after training: in order at the client, in the
    opposite order at the server. What an algorithm exchanges before training, statistics of the features, and counts
    of an evaluation by clients do not pass through them.

    Args:
        strategy: The algorithm.
        stages: At least one stage.

    Raises:
        ValueError: If there is no stage.
    """

    def __init__(self, strategy: Strategy, stages: list[UplinkStage]) -> None:
        if not stages:
            raise ValueError("stages: expected at least one, got none")
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

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The algorithm's messages.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return self.inner.configure_fit(round, clients)

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


class _Sealed:
    """Mixed into a client's class: seals what it sends after training."""

    stages: ClassVar[Sequence[UplinkStage]] = ()

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
    mixins = tuple(mixin for stage in stages for mixin in stage.mixins)
    bases: tuple[Any, ...] = (_Sealed, *mixins, client)
    kind: type[Client] = type(f"Sealed{client.__name__}", bases, {"stages": tuple(stages)})
    return kind
