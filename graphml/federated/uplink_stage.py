"""One of the things that answers pass through on their way from the clients to the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.message import Message
from graphml.federated.strategy import Ask, Replies
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

    def before_fit(self, round: int, clients: Sequence[int], ask: Ask) -> list[int]:
        """Server's half, before a round of training.

        Args:
            round: Number of the round, from 1.
            clients: Numbers of the clients that were drawn.
            ask: Asks some of them to `assist`.

        Returns:
            Those of them that train.
        """
        return list(clients)

    def address(self, requests: dict[int, Message]) -> dict[int, Message]:
        """Server's half: add something to what the clients are sent to train.

        Args:
            requests: The algorithm's messages.
        """
        return requests

    def assist(self, request: Message, client: Client) -> Message:
        """Client's half: answer what the server's half asks beside training.

        Args:
            request: What it asks.
            client: The client.

        Raises:
            ValueError: If the stage asks nothing, as this one.
        """
        raise ValueError(f"request: expected none, for {type(self).__name__} has nothing to ask")

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

    def after_fit(self, round: int, replies: Replies, ask: Ask) -> Replies:
        """Server's half, after a round of training and before anything is opened.

        Args:
            round: Number of the round, from 1.
            replies: Sealed answers that passed the checks.
            ask: Asks some of these clients to `assist`.

        Returns:
            Sealed answers that are opened.
        """
        return replies

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
