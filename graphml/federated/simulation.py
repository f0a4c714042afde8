"""A federation in rounds."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from graphml.federated.client import Client
from graphml.federated.engines.engine import Engine
from graphml.federated.engines.in_process import SequentialEngine
from graphml.federated.faults import Fault, TooFewClientsError, not_finite, wrong_shapes
from graphml.federated.history import History, Round, fault_report
from graphml.federated.message import Message, taken_from
from graphml.federated.strategy import Replies, Strategy
from graphml.federated.weights import Weights, parameter_names, weighted_average
from graphml.io import atomic_write
from graphml.tasks.task import Task


@dataclass(frozen=True)
class Schedule:
    """When a federation is evaluated, saved and stopped.

    Args:
        evaluate_every: Rounds between two evaluations; the initial weights and the last round are evaluated as well.
        patience: Rounds without a better value of the monitored metric after which the run ends; None for none.
        monitor: Metric that chooses the best round; default that which the task names, else the validation accuracy.
        min_clients: Fewest clients that must answer in a round; with fewer the run fails.
        checkpoint_every: Rounds between two checkpoints; there is one at the end as well.

    Raises:
        ValueError: If a number is below 1.
    """

    evaluate_every: int = 1
    patience: int | None = None
    monitor: str | None = None
    min_clients: int = 1
    checkpoint_every: int = 10

    def __post_init__(self) -> None:
        for name in ("evaluate_every", "patience", "min_clients", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")

    def monitored(self, task: Task | type[Task]) -> str:
        """The metric that chooses the best round.

        Args:
            task: What is trained, or its class.
        """
        named: str = getattr(task, "monitor", "val_accuracy")
        return named if self.monitor is None else self.monitor


@dataclass(frozen=True)
class Result:
    """What a federation leaves.

    Attributes:
        history: All rounds.
        state: Global weights of the best round; without the personal ones.
        last_state: Global weights of the last round.
    """

    history: History
    state: Weights
    last_state: Weights


def simulate(
    strategy: Strategy,
    clients: Sequence[Client],
    rounds: int,
    engine: Engine | None = None,
    *,
    server: Client | None = None,
    seed: int = 0,
    schedule: Schedule = Schedule(),  # frozen
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    on_round: Callable[[Round], None] | None = None,
) -> Result:
    """Run a federation.

    Args:
        strategy: The server half of an algorithm.
        clients: Its clients, by number from 0.
        rounds: Rounds of training.
        engine: What carries the messages; default one client after the other.
        server: A client with the data of the server, which evaluates the global weights; None, or an algorithm whose
            clients have models of their own: the clients evaluate.
        seed: Seed of the run: drawing of clients and local training.
        schedule: When to evaluate, save and stop.
        checkpoint: File of the checkpoints; None for none.
        resume: Go on from the checkpoint if it is there.
        progress: Show a progress bar.
        on_round: Called after each round.

    Returns:
        The history and the weights.

    Raises:
        ValueError: If there are no clients or rounds, or the monitored metric is not measured.
        TooFewClientsError: If fewer clients answer than the schedule wants.
    """
    if not len(clients) or rounds < 1:
        raise ValueError(f"clients and rounds: expected at least 1 of each, got {len(clients)} and {rounds}")
    run = Federation(strategy, clients, engine or SequentialEngine(), server, seed, schedule)
    with one_thread():
        if not (resume and checkpoint is not None and run.load(checkpoint)):
            run.begin()
        bar = tqdm(total=rounds, initial=run.done, unit="round", file=sys.stderr, disable=not progress)
        with bar:
            while run.done < rounds and not run.is_stale():
                row = run.advance(last=run.done + 1 == rounds)
                bar.update()
                bar.set_postfix({name: f"{value:.4g}" for name, value in row.metrics.items() if "accuracy" in name})
                if on_round is not None:
                    on_round(row)
                if checkpoint is not None and run.done % schedule.checkpoint_every == 0:
                    run.save(checkpoint)
        if checkpoint is not None:
            run.save(checkpoint)
    return Result(run.history, run.best_state, dict(strategy.state))


class Federation:
    """The server's side of a run: what `simulate` advances round by round.

    Args:
        strategy: See `simulate`.
        clients: See `simulate`.
        engine: See `simulate`.
        server: See `simulate`.
        seed: See `simulate`.
        schedule: See `simulate`.
    """

    def __init__(
        self,
        strategy: Strategy,
        clients: Sequence[Client],
        engine: Engine,
        server: Client | None,
        seed: int,
        schedule: Schedule,
    ) -> None:
        self.strategy, self.clients, self.engine = strategy, clients, engine
        self.server, self.seed, self.schedule = server, seed, schedule
        self.history = History(schedule.monitored(clients[0].task))
        self.best_state: Weights = {}
        self.done = 0
        self._bytes = {"down": 0, "up": 0}

    def begin(self) -> None:
        """Share out the initial weights, prepare, and evaluate them as round 0."""
        start = time.perf_counter()
        self._initialize()
        if self.clients[0].task.has_statistics:
            self.strategy.state |= self._statistics(self.strategy.state)
        used = 0
        for number in range(1 - self.strategy.preparation, 1):
            used = len(self._train(number))
        self._record(0, used, start, evaluate=True)

    def advance(self, last: bool = False) -> Round:
        """Train for one round.

        Args:
            last: Whether it is evaluated whatever its number is.

        Returns:
            What was measured.
        """
        start, number = time.perf_counter(), self.done + 1
        replies = self._train(number)
        self.done = number
        return self._record(number, len(replies), start, last or number % self.schedule.evaluate_every == 0)

    def is_stale(self) -> bool:
        """Whether the monitored metric has not improved for as many rounds as the schedule's patience."""
        patience = self.schedule.patience
        return patience is not None and self.done - self.history.best.round >= patience

    def _initialize(self) -> None:
        first = self.clients[0]
        shared = {name: value for name, value in first.initial.items() if not first.is_personal(name)}
        self.strategy.initialize(shared, len(self.clients), parameter_names(first.task))

    def _statistics(self, shared: Weights) -> Weights:
        """Averages of the statistics that the clients' tasks take of their training examples."""
        requests = dict.fromkeys(range(len(self.clients)), Message(config={"round": 0}))
        replies = self._exchange("describe", requests, not_finite)
        told = [reply.arrays for reply in replies.values()]
        names = {name for arrays in told for name in arrays}
        states = [{name: arrays.get(name, shared[name]) for name in sorted(names)} for arrays in told]
        return weighted_average(states, [reply.metrics["num_examples"] for reply in replies.values()]) if names else {}

    def _train(self, number: int) -> Replies:
        everyone = range(len(self.clients))
        drawn = self.strategy.sample(number, everyone, self.seed) if number > 0 else list(everyone)
        if number > 0:
            drawn = self.strategy.before_fit(number, drawn, self._ask)
        requests = self.strategy.configure_fit(number, drawn)
        replies = self._exchange("fit", requests, lambda reply: self.strategy.check(number, reply))
        fewest = self.schedule.min_clients if number > 0 else len(requests)
        if len(replies) < fewest:
            told = fault_report([fault for fault in self.history.faults if fault.round == number])
            wanted = f"fewer than the {fewest} of min_clients" if number > 0 else "and the preparation needs all"
            raise TooFewClientsError(
                f"round {number}: {len(replies)} of {len(requests)} clients gave a usable answer, {wanted}\n{told}"
            )
        aggregated = self.strategy.after_fit(number, replies, self._ask) if number > 0 else replies
        self.strategy.aggregate_fit(number, aggregated)
        return replies

    def _ask(self, requests: dict[int, Message], expected: Weights) -> Replies:
        return self._exchange("assist", requests, lambda reply: wrong_shapes(reply, expected))

    def _evaluate(self, number: int) -> dict[str, float]:
        if self.server is not None and not self.strategy.personalised:
            counts = self.server.evaluate(Message(self.strategy.state, config={"round": number})).arrays
        else:
            requests = self.strategy.configure_evaluate(number, range(len(self.clients)))
            replies = self._exchange("evaluate", requests, not_finite)
            counts = self.strategy.aggregate_evaluate(number, replies)
        return stage_metrics(self.clients[0], counts)

    def _exchange(self, call: str, requests: dict[int, Message], wrong: Callable[[Message], str | None]) -> Replies:
        good: Replies = {}
        before = self.engine.snapshot(self.clients)
        for number, reply in self.engine.exchange(call, self.clients, requests).items():
            round = int(requests[number].config["round"])
            reason = reply.reason if isinstance(reply, Fault) else wrong(reply)
            if reason is not None:
                self.history.faults.append(Fault(number, round, reason))
                self.engine.restore(self.clients, number, before)
            elif isinstance(reply, Message):
                good[number] = reply
        self._bytes["down"] += total_bytes(requests)
        self._bytes["up"] += total_bytes(good)
        return good

    def _record(self, number: int, clients: int, start: float, evaluate: bool) -> Round:
        metrics = self._evaluate(number) if evaluate else {}
        faults = sum(fault.round == number for fault in self.history.faults)
        seconds = round(time.perf_counter() - start, 6)
        row = Round(number, clients, faults, self._bytes["down"], self._bytes["up"], seconds, metrics)
        self._bytes = {"down": 0, "up": 0}
        self.history.rounds.append(row)
        if metrics and self.history.best is row:
            self.best_state = dict(self.strategy.state)
        return row

    def save(self, path: Path) -> None:
        """Write everything that the run continues from.

        Args:
            path: The file; it is whole or as it was before.
        """
        content = {
            "round": self.done,
            "state": self.strategy.state,
            "memory": self.strategy.memory,
            "best_state": self.best_state,
            "clients": self.engine.memories(self.clients),
            "history": self.history.to_json(),
        }
        with atomic_write(path) as temporary:
            torch.save(content, temporary)

    def load(self, path: Path) -> bool:
        """Continue from a checkpoint.

        Args:
            path: The file.

        Returns:
            Whether there was one.

        Raises:
            ValueError: If it is of a federation of other weights.
        """
        if not path.is_file():
            return False
        content = torch.load(path, weights_only=True)
        self._initialize()
        shapes = {name: value.shape for name, value in self.strategy.state.items()}
        if {name: value.shape for name, value in content["state"].items()} != shapes:
            raise ValueError(f"checkpoint: expected one of this model, got other weights in {path}")
        self.strategy.state, self.strategy.memory = content["state"], content["memory"]
        self.engine.remember(self.clients, content["clients"])
        self.history.load_json(content["history"])
        self.best_state, self.done = content["best_state"], content["round"]
        return True


def load_result(checkpoint: Path, monitor: str) -> Result:
    """What a run has left in its last checkpoint.

    Args:
        checkpoint: The file.
        monitor: Metric that chooses the best round.
    """
    content = torch.load(checkpoint, weights_only=True)
    history = History(monitor)
    history.load_json(content["history"])
    return Result(history, content["best_state"], content["state"])


def stage_metrics(client: Client, counts: Mapping[str, Tensor]) -> dict[str, float]:
    """Metrics of validation and test examples, from the summed counts.

    Args:
        client: A client, whose task knows what the counts mean.
        counts: ``val/...`` and ``test/...``.

    Returns:
        Metrics such as ``val_accuracy``; none of a stage without examples.
    """
    out: dict[str, float] = {}
    for stage in ("val", "test"):
        part = taken_from(stage, dict(counts))
        values = client.task.metrics(part) if part else {}
        out |= {f"{stage}_{name}": value for name, value in values.items() if math.isfinite(value)}
    return out


def total_bytes(messages: Mapping[int, Message]) -> int:
    """Encoded size of messages; one that goes to many clients counts for each.

    Args:
        messages: Messages by client.
    """
    sizes = {id(message): message.num_bytes for message in messages.values()}
    return sum(sizes[id(message)] for message in messages.values())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread, as every engine does: sums in another order would differ in their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
