"""Federations with known answers: clients that each pull to a point of their own, and a tiny graph in three parts."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import Tensor, nn
from torch_geometric.data import Data

from graphml.data.samples import contextual_sbm
from graphml.data.transforms import SymmetricNormalization, ToSortedEdgeIndex
from graphml.federated import Client, ClientData, LocalTraining, Message, NodeData, Schedule, SequentialEngine, simulate
from graphml.federated.strategy import Strategy
from graphml.federated.weights import Weights, weights_of
from graphml.models import GCN, GCNEncoder, IdentityEncoder
from graphml.tasks import BinaryNodeClassificationTask, LeastSquaresClassificationTask, NodeClassificationTask
from graphml.tasks.task import Task

SGD = functools.partial(torch.optim.SGD, lr=0.1)


class QuadraticTask(Task):
    """Minimises ``sum a (w - b)^2 / 2`` for the ``a`` and ``b`` of a batch, from w = 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size, dtype=torch.float64))
        self.encoder = nn.Identity()
        self.lr, self.weight_decay, self.filter_lr = 0.1, 0.0, 0.1

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        a, b = batch
        loss = 0.5 * (a * (self.w - b).square()).sum()
        return loss, {"loss": loss.detach()}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        return {"loss": self.loss(model, batch, torch.Generator())[0], "count": torch.tensor(1)}

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        return {"loss": float(counts["loss"] / counts["count"])}


class QuadraticData(ClientData):
    def __init__(self, a: Tensor, b: Tensor, examples: int, steps: int) -> None:
        self.a, self.b, self.examples, self.steps = a, b, examples, steps

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Any]:
        for _ in range(self.steps if stage == "train" else 1):
            yield self.a, self.b

    def num_examples(self, stage: str) -> int:
        return self.examples


class RecordingEngine(SequentialEngine):
    """Keeps all messages: (call, number, request, reply)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, Message, Any]] = []

    def exchange(self, call: str, clients: Sequence[Client], requests: Any) -> Any:
        replies = super().exchange(call, clients, requests)
        self.seen += [(call, number, requests[number], reply) for number, reply in replies.items()]
        return replies


@pytest.fixture
def quadratics() -> Callable[..., list[Client]]:
    """Clients [K] of curvature a [K, D] and optimum b [K, D]; each has its number of examples and of steps."""

    def make(
        strategy: Strategy,
        a: np.ndarray,
        b: np.ndarray,
        examples: Sequence[int] | None = None,
        steps: Sequence[int] | int = 1,
        optimizer: Any = SGD,
    ) -> list[Client]:
        task = QuadraticTask(a.shape[1])
        count = len(a)
        examples = [1] * count if examples is None else examples
        taken = [steps] * count if isinstance(steps, int) else steps
        data = [
            QuadraticData(torch.from_numpy(a[i]), torch.from_numpy(b[i]), examples[i], taken[i]) for i in range(count)
        ]
        return [strategy.client(i, task, data[i], LocalTraining(optimizer=optimizer)) for i in range(count)]

    return make


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    """Curvatures and optima [4, 3] of four clients that disagree."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.5, 3.0, (4, 3)), rng.normal(0.0, 2.0, (4, 3))


@pytest.fixture
def federate() -> Callable[..., Weights]:
    """Run without a progress bar, and return the last global weights."""

    def run(strategy: Strategy, clients: Sequence[Client], rounds: int, **options: Any) -> Weights:
        schedule = Schedule(evaluate_every=rounds, monitor="val_loss")
        result = simulate(strategy, clients, rounds, progress=False, schedule=schedule, **options)
        assert not result.history.faults, result.history.faults
        return result.last_state

    return run


@pytest.fixture
def recording() -> RecordingEngine:
    return RecordingEngine()


@dataclass(frozen=True)
class HeadProblem:
    """Rows [n, d] and labels [n] in parts, and a task whose head is trained on them."""

    x: np.ndarray
    y: np.ndarray
    parts: list[np.ndarray]
    task: Task
    initial: Weights

    def clients(self, strategy: Strategy, **options: Any) -> list[Client]:
        options = {"initial": self.initial} | options
        return [
            strategy.client(i, self.task, NodeData(self.graph(rows)), **options) for i, rows in enumerate(self.parts)
        ]

    def graph(self, rows: np.ndarray) -> Data:
        inside = torch.ones(len(rows), dtype=torch.bool)
        none = torch.empty(2, 0, dtype=torch.long)
        return Data(
            x=torch.from_numpy(self.x[rows]).to(self.task.head.weight.dtype),
            y=torch.from_numpy(self.y[rows]),
            edge_index=none,
            edge_weight=torch.empty(0),
            train_mask=inside,
            val_mask=inside,
            test_mask=inside,
        )

    def objective(self, state: Weights, ridge: float) -> float:
        """The loss that is minimised, of the global weights, by numpy."""
        head = np.c_[state["head.weight"].double().numpy(), state["head.bias"].double().numpy()]
        outputs = np.c_[self.x, np.ones(len(self.x))] @ head.T
        if isinstance(self.task, BinaryNodeClassificationTask):
            losses = np.logaddexp(0, -(2 * self.y - 1) * outputs[:, 0])
        elif isinstance(self.task, LeastSquaresClassificationTask):
            losses = 0.5 * ((outputs - np.eye(outputs.shape[1])[self.y]) ** 2).sum(1)
        else:
            losses = logsumexp(outputs, axis=1) - outputs[np.arange(len(outputs)), self.y]
        return float(losses.mean() + 0.5 * ridge * (head**2).sum())

    def gaps(self, strategy: Strategy, rounds: int, lowest: float, **options: Any) -> list[float]:
        """Distance to the lowest loss after each round."""
        found: list[float] = []
        simulate(
            strategy,
            options.pop("clients", None) or self.clients(strategy),
            rounds,
            schedule=Schedule(evaluate_every=rounds, monitor="val_loss"),
            progress=False,
            on_round=lambda row: found.append(self.objective(strategy.state, strategy.ridge) - lowest),
            **options,
        )
        return found


@pytest.fixture(scope="session")
def head_problem() -> Callable[..., HeadProblem]:
    """Labels by a random linear rule with noise; clients have equally many rows; the head begins at zero."""

    def make(
        kind: type[Task] = BinaryNodeClassificationTask,
        rows: int = 240,
        columns: int = 6,
        classes: int = 2,
        clients: int = 4,
        double: bool = True,
    ) -> HeadProblem:
        rng = np.random.default_rng(0)
        x, rule = rng.standard_normal((rows, columns)), rng.standard_normal((columns, classes))
        y = (2 / columns**0.5 * x @ rule + rng.gumbel(size=(rows, classes))).argmax(1)
        task = kind(columns, classes, encoder=IdentityEncoder)
        for parameter in task.parameters():
            nn.init.zeros_(parameter)
        parts = np.array_split(rng.permutation(rows), clients)
        task = task.double() if double else task
        return HeadProblem(x, y, parts, task, weights_of(task))

    return make


def part(number: int) -> Data:
    """A graph of 30 nodes with masks; features of each number are shifted."""
    data = contextual_sbm(num_nodes=30, num_classes=3, num_features=4, average_degree=4.0, seed=number)
    data.x = data.x + number
    data = SymmetricNormalization()(ToSortedEdgeIndex()(data))
    place = torch.arange(30)
    data.train_mask, data.val_mask, data.test_mask = place < 10 + 2 * number, place >= 20, place >= 25
    return data


@pytest.fixture
def graphs() -> Callable[..., list[Client]]:
    """Three clients with a graph each: a GCN with dropout, or with ``norm`` an encoder with BatchNorm and a head."""

    def make(strategy: Strategy, norm: bool = False, epochs: int = 2, optimizer: Any = SGD) -> list[Client]:
        torch.manual_seed(1)
        network = (
            {"encoder": functools.partial(GCNEncoder, hidden_channels=6)}
            if norm
            else {"model": functools.partial(GCN, hidden_channels=6)}
        )
        task = NodeClassificationTask(4, 3, **network)
        local = LocalTraining(epochs, optimizer)
        return [strategy.client(number, task, NodeData(part(number)), local) for number in range(3)]

    return make
