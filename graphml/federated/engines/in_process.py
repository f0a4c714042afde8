"""Clients one after the other, in this process: the reference that all other engines equal."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.engines.engine import Engine
from graphml.federated.faults import Fault
from graphml.federated.message import Message

T = TypeVar("T")


class InProcessEngine(Engine):
    """Base of the engines whose clients live in this process.

    Args:
        timeout: Seconds that a client may take for an answer; None for any time.

    Raises:
        ValueError: If the time is not positive.
    """

    def __init__(self, timeout: float | None = None) -> None:
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout: expected seconds above 0, or None, got {timeout}")
        self.timeout = timeout

    def memories(self, clients: Sequence[Client]) -> dict[int, dict[str, Tensor]]:
        """Memories of the clients that have any.

        Args:
            clients: All clients.
        """
        return {client.number: client.memory for client in awake(clients) if client.memory}

    def remember(self, clients: Sequence[Client], memories: Mapping[int, dict[str, Tensor]]) -> None:
        """Set the clients' memories.

        Args:
            clients: All clients.
            memories: Memories by number.
        """
        for number, memory in memories.items():
            clients[number].memory = dict(memory)

    def answer(self, call: str, client: Client, request: Message) -> Message | Fault:
        """One client's answer.

        Args:
            call: Name of the client's method: ``describe``, ``fit``, ``evaluate`` or ``assist``.
            client: The client.
            request: The server's message.

        Returns:
            The answer; a fault if the client raised or took too long, its memory then as before.
        """
        copied = Message(request.arrays, request.metrics, request.config)
        reply: Message | Fault = self.attempt(client, copied, getattr(client, call), copied)
        return reply

    def attempt(self, client: Client, request: Message, action: Callable[..., T], *arguments: Any) -> T | Fault:
        """Let a client do something that it may fail in.

        Args:
            client: The client.
            request: The server's message.
            action: What it does.
            *arguments: What the action takes.

        Returns:
            What the action returns; a fault if it raised or took too long, the client's memory then as before.
        """
        before = dict(client.memory)
        try:
            with time_limit(self.timeout):
                return action(*arguments)
        except Exception as error:
            client.memory = before
            reason = str(error) if isinstance(error, ClientTimeoutError) else f"raised {type(error).__name__}: {error}"
            return Fault(client.number, int(request.config["round"]), reason)


class SequentialEngine(InProcessEngine):
    """Asks one client after the other, in ascending order of their numbers.

    Args:
        timeout: Seconds that a client may take for an answer; None for any time.
    """

    def exchange(
        self, call: str, clients: Sequence[Client], requests: Mapping[int, Message]
    ) -> dict[int, Message | Fault]:
        """Let clients answer.

        Args:
            call: Name of the client's method: ``describe``, ``fit``, ``evaluate`` or ``assist``.
            clients: All clients.
            requests: A message for each of some clients.
        """
        return {number: self.answer(call, clients[number], requests[number]) for number in sorted(requests)}


class ClientTimeoutError(Exception):
    """A client took too long."""


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Stop what runs inside after a time.

    Only the main thread can be interrupted, and not on Windows; elsewhere a block that took too long is found out at
    its end.

    Args:
        seconds: The time; None for none.

    Raises:
        ClientTimeoutError: If it took longer.
    """
    if seconds is None:
        yield
        return
    told = f"timed out after {seconds:g} seconds"

    def stop(number: int, frame: FrameType | None) -> None:
        raise ClientTimeoutError(told)

    start = time.monotonic()
    can_interrupt = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if can_interrupt:
        previous = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if can_interrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
    if time.monotonic() - start > seconds:
        raise ClientTimeoutError(told)


def awake(clients: Sequence[Client]) -> list[Client]:
    """Those of the clients that were ever made; the others have nothing to remember.

    Args:
        clients: All clients.
    """
    made = getattr(clients, "made", None)
    return list(clients) if made is None else list(made.values())
