"""Federations with known answers: clients that each pull to a point of their own, and a tiny graph in three parts."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphml.data.samples import contextual_sbm
from graphml.data.transforms import SymmetricNormalization, ToSortedEdgeIndex
from graphml.federated import Client, ClientData, LocalTraining, Message, NodeData, Schedule, SequentialEngine, simulate
from graphml.federated.strategy import Strategy
from graphml.federated.weights import Weights
from graphml.models import GCN, GCNEncoder
from graphml.tasks import NodeClassificationTask
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
