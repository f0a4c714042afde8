"""The engine on Flower's Grid equals the sequential one; what goes wrong is told by client."""

import functools
import time
from collections.abc import Iterable
from types import SimpleNamespace
from uuid import uuid4

import pytest
import torch

pytest.importorskip("flwr")

from flwr.app import Context, Error, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from graphml.federated import (
    Client,
    Fault,
    FedAvg,
    Local,
    Message,
    Pull,
    Schedule,
    TooFewClientsError,
    Uplink,
    simulate,
)
from graphml.federated.engines.flower import client_app
from graphml.federated.engines.flower.engine import FlowerEngine

SERVER = 1  # Flower's number of the SuperLink


class LocalGrid(Grid):
    """Nodes 100, 101 ... have the partition-ids 0, 1 ...; what is pushed is answered at once.

    Attributes:
        contexts: State of each node; one that is deleted is gone.
        broken: Reasons by node: Flower answers with an error.
        silent: Nodes that never answer.
        unreachable: Nodes that a message cannot be sent to.
        kinds: Types of all messages that were sent.
    """

    def __init__(self, num_nodes: int) -> None:
        self.contexts = {100 + number: self.context(number, num_nodes) for number in range(num_nodes)}
        self.broken: dict[int, str] = {}
        self.silent: set[int] = set()
        self.unreachable: set[int] = set()
        self.kinds: list[str] = []
        self.replies: dict[str, FlowerMessage] = {}

    @staticmethod
    def context(number: int, num_nodes: int) -> Context:
        node = {"partition-id": number, "num-partitions": num_nodes}
        return Context(
            run_id=1, node_id=100 + number, node_config=node, state=RecordDict(), run_config={"config": "{}"}
        )

    def set_run(self, run: object) -> None:
        raise NotImplementedError

    @property
    def run(self) -> object:
        raise NotImplementedError

    def create_message(self, *args: object, **options: object) -> FlowerMessage:
        raise NotImplementedError

    def send_and_receive(
        self, messages: Iterable[FlowerMessage], *, timeout: float | None = None
    ) -> list[FlowerMessage]:
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        return list(self.contexts)

    def push_messages(self, messages: Iterable[FlowerMessage]) -> list[str | None]:
        return [self._push(message) for message in messages]

    def _push(self, message: FlowerMessage) -> str | None:
        node, key = message.metadata.dst_node_id, str(uuid4())
        if node in self.unreachable:
            return None
        message.metadata.__dict__["_message_id"] = key
        self.kinds.append(message.metadata.message_type)
        if node in self.broken and not message.metadata.message_type.startswith("query"):
            self.replies[key] = FlowerMessage(Error(2, self.broken[node]), reply_to=message)
        elif node not in self.silent or message.metadata.message_type.startswith("query"):
            self.replies[key] = client_app.app(message, self.contexts[node])
        return key

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        return [self.replies.pop(key) for key in message_ids if key in self.replies]


@pytest.fixture
def make_grid(monkeypatch):
    """A grid of some clients; each node builds its client anew for every message, as fresh processes do."""

    def make(clients, timeout=None):
        for name in ("run_id", "node_id", "task_id"):  # what a message is sent from; Flower's processes set it
            monkeypatch.setattr(TaskIdentity, f"_{name}", SERVER)
        monkeypatch.setattr(client_app, "federation", lambda *args: SimpleNamespace(clients=clients(), timeout=timeout))
        return LocalGrid(len(clients()))

    return make


class RememberingClient(Client):
    """Goes on in the direction of its last round, as SCAFFOLD's control does."""

    def pull(self, request, start):
        return Pull(drift=self.memory) if self.memory else None

    def finish(self, request, start, end, metrics):
        reply = super().finish(request, start, end, metrics)
        self.memory = {name: 0.5 * (start[name] - value) for name, value in end.items()}
        return reply


class Remembering(FedAvg):
    client = RememberingClient


class DescribingClient(Client):
    """Tells its number instead of statistics of its examples."""

    def describe(self, request):
        name, value = next(iter(self.initial.items()))
        return Message({name: torch.full_like(value, self.number)}, {"num_examples": 1 + self.number})


class RefusedClient(RememberingClient):
    """Sends NaN in round 2, which the server refuses."""

    def finish(self, request, start, end, metrics):
        reply = super().finish(request, start, end, metrics)
        wrong = request.config["round"] == 2 and self.number == 1
        return Message(reply.arrays, reply.metrics | {"loss": float("nan")}) if wrong else reply


class RaisingClient(Client):
    def fit(self, request):
        if self.number == 2:
            raise KeyError("no such thing")
        return super().fit(request)


class SlowClient(Client):
    def fit(self, request):
        if self.number == 0:
            time.sleep(5)
        return super().fit(request)


def equal(left, right) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def same_run(left, right) -> bool:
    rows = [
        [(row.round, row.clients, row.bytes_down, row.bytes_up, row.metrics) for row in x.history.rounds]
        for x in (left, right)
    ]
    return (
        equal(left.last_state, right.last_state) and rows[0] == rows[1] and left.history.faults == right.history.faults
    )


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [(FedAvg, Client), (Local, Local.client), (Remembering, RememberingClient), (FedAvg, RefusedClient)],
)
def test_it_equals_the_sequential_engine(strategy, kind, make_clients, make_grid):
    def clients():
        return make_clients(strategy(), kind=kind)

    expected = simulate(strategy(), clients(), 4, progress=False)
    found = simulate(strategy(), clients(), 4, FlowerEngine(make_grid(clients)), progress=False)
    assert same_run(found, expected)
    assert len(found.history.faults) == (kind is RefusedClient)


def test_memories_stay_on_their_nodes(make_clients, make_grid):
    def clients():
        return make_clients(Remembering())

    grid = make_grid(clients)
    simulate(Remembering(), clients(), 3, FlowerEngine(grid), progress=False)
    assert "query.memory" not in grid.kinds
    for context in grid.contexts.values():  # the last one, and the one that it came from
        assert len(context.state) == 2


@pytest.mark.parametrize("first", ["flower", "sequential"])
def test_a_checkpoint_of_clients_that_remember_goes_on(first, make_clients, make_grid, tmp_path):
    def clients():
        return make_clients(Remembering())

    def flower():
        return FlowerEngine(make_grid(clients))

    expected = simulate(Remembering(), clients(), 5, progress=False)
    checkpoint = {"checkpoint": tmp_path / "checkpoint.pt", "progress": False}
    simulate(Remembering(), clients(), 2, flower() if first == "flower" else None, **checkpoint)
    found = simulate(Remembering(), clients(), 5, flower() if first != "flower" else None, resume=True, **checkpoint)
    assert equal(found.last_state, expected.last_state)
    again = simulate(Remembering(), clients(), 5, flower(), resume=True, **checkpoint)  # nothing left to do
    assert equal(again.last_state, expected.last_state)
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["clients"]
    assert sorted(stored) == [0, 1, 2, 3]


def test_secure_aggregation_with_a_client_that_drops_out(make_clients, make_grid):
    """Keys, shares and masks pass over Flower: what a stage asks beside training needs nothing of the engine."""
    pytest.importorskip("cryptography")
    from graphml.federated.privacy.secure_aggregation import SecureAggregation

    def strategy():
        return Uplink(FedAvg(), [SecureAggregation()])

    def clients():
        kind = strategy().client
        return make_clients(strategy(), kind=type("Dropping", (RaisingClient, kind), {}))

    grid = make_grid(clients)
    found = simulate(strategy(), clients(), 2, FlowerEngine(grid), progress=False)
    assert grid.kinds.count("query.assist") == 2 * (4 + 4 + 3)  # keys, secrets, shares
    assert [fault.client for fault in found.history.faults] == [2, 2]
    assert same_run(found, simulate(strategy(), clients(), 2, progress=False))


def test_a_client_that_raises_is_reported_by_name(make_clients, make_grid):
    def clients():
        return make_clients(FedAvg(), kind=RaisingClient)

    found = simulate(FedAvg(), clients(), 2, FlowerEngine(make_grid(clients)), progress=False)
    reason = "raised KeyError: 'no such thing'"
    assert found.history.faults == [Fault(2, 1, reason), Fault(2, 2, reason)]
    assert same_run(found, simulate(FedAvg(), clients(), 2, progress=False))


def test_a_client_that_is_too_slow_is_reported(make_clients, make_grid):
    def clients():
        return make_clients(FedAvg(), kind=SlowClient)

    grid = make_grid(clients, timeout=0.3)
    found = simulate(FedAvg(), clients(), 1, FlowerEngine(grid, 0.3), progress=False)
    assert found.history.faults == [Fault(0, 1, "timed out after 0.3 seconds")]


def test_what_happens_to_nodes_is_told_by_client(make_clients, make_grid, monkeypatch):
    def clients():
        return make_clients(FedAvg())

    monkeypatch.setattr("graphml.federated.engines.flower.engine.STARTING", 0.1)
    grid = make_grid(clients)
    engine, request = FlowerEngine(grid, timeout=0.1), Message(config={"round": 7})
    engine.exchange("evaluate", clients(), {0: request})
    del grid.contexts[100]
    grid.broken[101] = "out of memory"
    grid.silent.add(102)
    grid.unreachable.add(103)
    assert engine.exchange("fit", clients(), dict.fromkeys(range(4), request)) == {
        0: Fault(0, 7, "its SuperNode is not connected"),
        1: Fault(1, 7, "Flower says: out of memory"),
        2: Fault(2, 7, "did not answer within 0.8 seconds"),
        3: Fault(3, 7, "its SuperNode could not be sent a message"),
    }


def test_a_node_that_comes_back_has_forgotten(make_clients, make_grid):
    def clients():
        return make_clients(Remembering())

    grid = make_grid(clients)
    engine, strategy = FlowerEngine(grid), Remembering()
    simulate(strategy, clients(), 1, engine, progress=False)
    grid.contexts[100] = grid.context(0, 4)
    answer = engine.exchange("fit", clients(), {0: strategy.request(2)})[0]
    assert "its node has lost what it remembered" in answer.reason
    with pytest.raises(
        RuntimeError, match="what client 0 remembers could not be fetched for the checkpoint: its node has lost"
    ):
        engine.memories(clients())


def test_nodes_that_are_not_there_at_first(make_clients, make_grid):
    def clients():
        return make_clients(FedAvg())

    grid = make_grid(clients)
    del grid.contexts[102]
    with pytest.raises(RuntimeError, match=r"partition-ids 0 to 3, found none of \[2\] within 0.2 seconds"):
        simulate(FedAvg(), clients(), 1, FlowerEngine(grid, wait=0.2), progress=False)


def test_two_nodes_of_one_partition(make_clients, make_grid):
    def clients():
        return make_clients(FedAvg())

    grid = make_grid(clients)
    grid.contexts[200] = grid.context(1, 4)
    with pytest.raises(ValueError, match=r"another on each SuperNode, got 1 on nodes \[101, 200\]"):
        simulate(FedAvg(), clients(), 1, FlowerEngine(grid), progress=False)


def test_fewer_answers_than_wanted(make_clients, make_grid):
    def clients():
        return make_clients(FedAvg(), kind=RaisingClient)

    with pytest.raises(TooFewClientsError, match="client 2: 1 x raised KeyError"):
        simulate(
            FedAvg(), clients(), 1, FlowerEngine(make_grid(clients)), schedule=Schedule(min_clients=4), progress=False
        )


def test_statistics_of_the_examples_are_asked_for(make_clients, task, make_grid, monkeypatch):
    monkeypatch.setattr(type(task), "has_statistics", True)
    runs = []
    for on_flower in (False, True):
        clients = functools.partial(make_clients, FedAvg(), kind=DescribingClient)
        engine = FlowerEngine(make_grid(clients)) if on_flower else None
        runs.append(simulate(FedAvg(), clients(), 2, engine, progress=False))
    assert same_run(*runs)
