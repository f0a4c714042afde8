"""A third of the clients fail in every round, in each way: the run ends, names them, and learns the same."""

import functools
import math
import time
from collections.abc import Callable

import pytest
import torch

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import Client, FedAvg, LocalTraining, Message, RandomPartitioner, SequentialEngine, simulate
from graphml.federated.simulation import Result
from graphml.federated.sources import source_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask

ROUNDS, CLIENTS = 50, 10


def spoiled(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Message], Message]:
    return lambda reply: Message({name: change(value) for name, value in reply.arrays.items()}, reply.metrics)


def broken(reply: Message) -> Message:
    raise OSError("the disk is full")


def slow(reply: Message) -> Message:
    time.sleep(60)
    return reply


WAYS = {
    "raises": (broken, "raised OSError: the disk is full"),
    "times out": (slow, "timed out after 0.1 seconds"),
    "NaN": (spoiled(lambda value: value * math.nan), "sent NaN or infinity in"),
    "infinity": (spoiled(lambda value: value + math.inf), "sent NaN or infinity in"),
    "shape": (spoiled(lambda value: value[:1]), "of shape"),
    "nothing": (lambda reply: None, "answered with NoneType"),
}


def fails(number: int, round: int) -> bool:
    """Three clients of ten, others in every round."""
    return (number + 3 * round) % CLIENTS < 3


def federation(spoil: Callable[[Message], Message | None] | None) -> Result:
    class Faulty(Client):
        def fit(self, request: Message) -> Message:
            reply = super().fit(request)
            wrong = spoil is not None and fails(self.number, int(request.config["round"]))
            return spoil(reply) if wrong else reply  # type: ignore[return-value]

    module = NodeDataModule.from_data(contextual_sbm(400, 4, 16, seed=1), self_loops=True)
    source = source_of(module)
    source.deal(RandomPartitioner(CLIENTS)(source.items()), None, 0)
    torch.manual_seed(0)
    task = NodeClassificationTask(16, 4, model=functools.partial(GCN, hidden_channels=8))
    local = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.3))
    clients = [Faulty(number, task, source.client_data(number), local) for number in range(CLIENTS)]
    server = Client(-1, task, source.server_data(), initial=clients[0].initial)
    engine = SequentialEngine(timeout=0.1 if spoil is slow else None)
    return simulate(FedAvg(), clients, ROUNDS, engine, server=server, progress=False)


@pytest.fixture(scope="module")
def accuracy() -> float:
    result = federation(None)
    assert result.history.faults == []
    return result.history.rounds[-1].metrics["test_accuracy"]


@pytest.mark.parametrize("way", WAYS)
def test_a_run_with_failing_clients_ends_within_two_points_of_one_without(way: str, accuracy: float) -> None:
    spoil, reason = WAYS[way]
    result = federation(spoil)
    faults = {(fault.client, fault.round) for fault in result.history.faults if reason in fault.reason}
    assert faults >= {(n, r) for n in range(CLIENTS) for r in range(1, ROUNDS + 1) if fails(n, r)}
    assert result.history.rounds[-1].round == ROUNDS
    assert accuracy > 0.7  # 0.25 by chance
    assert result.history.rounds[-1].metrics["test_accuracy"] == pytest.approx(accuracy, abs=0.02)
