import functools

import pytest
import torch
from torch import nn

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import (
    Client,
    FedAvg,
    FedProx,
    Local,
    LocalTraining,
    NodeData,
    Pull,
    Schedule,
    SequentialEngine,
    VectorisedEngine,
    algorithms,
    simulate,
)
from graphml.federated.algorithms.local import LocalClient
from graphml.federated.faults import Fault
from graphml.models import GAT, GCN, GIN, GPRGNN, SAGE, GCNEncoder, WaveletEncoder
from graphml.tasks import ContrastiveTask, NodeClassificationTask

SIZES = (60, 40, 25, 40, 31)


class Pulled(Client):
    def pull(self, request, start):
        return Pull(0.5, start, {name: torch.full_like(value, 0.01) for name, value in start.items()})


class PullingFedAvg(FedAvg):
    client = Pulled


class Personal(Client):
    def is_personal(self, name):
        return "norms" in name


class FedBNLike(FedAvg):
    client = Personal


MODELS = {
    "GCN": {"model": functools.partial(GCN, hidden_channels=8, dropout=0.0)},
    "SAGE": {"model": functools.partial(SAGE, hidden_channels=8, dropout=0.0)},
    "GPRGNN": {"model": functools.partial(GPRGNN, hidden_channels=8, dropout=0.0)},
    "GIN": {"model": functools.partial(GIN, hidden_channels=8, dropout=0.0)},
    "GCNEncoder": {"encoder": functools.partial(GCNEncoder, hidden_channels=8)},
    "wavelets": {"encoder": functools.partial(WaveletEncoder, hidden_channels=8, K=4)},
    "wavelets alone": {"encoder": functools.partial(WaveletEncoder, hidden_channels=8, K=4, identity=0.0)},
    "wavelets end to end": {
        "encoder": functools.partial(WaveletEncoder, hidden_channels=8, K=4, concat=True, residual=0.0, identity=1.0)
    },
}
SGD = functools.partial(torch.optim.SGD, lr=0.1, weight_decay=5e-4)
ADAM = functools.partial(torch.optim.Adam, lr=0.01)


@functools.cache
def make_graph(size, number, sparse):
    sample = contextual_sbm(size, 3, 8, 4.0, seed=number)
    if sparse:
        sample.x = torch.where(sample.x > 1, sample.x, 0.0)
    return NodeDataModule.from_data(sample, self_loops=True, sparse_features=sparse).data


def make_graphs(sizes=SIZES, sparse=False):
    for number, size in enumerate(sizes):
        yield make_graph(size, number, sparse).clone()


def make_clients(kind=Client, optimizer=SGD, epochs=2, sizes=SIZES, sparse=False, model="GCN"):
    torch.manual_seed(0)
    task = NodeClassificationTask(8, 3, **MODELS[model])
    local = LocalTraining(epochs, optimizer)
    return [kind(number, task, NodeData(graph), local) for number, graph in enumerate(make_graphs(sizes, sparse))]


def run(engine, strategy=None, rounds=3, **options):
    strategy = strategy or FedAvg()
    clients = make_clients(type(strategy).client, **options)
    result = simulate(strategy, clients, rounds, engine, schedule=Schedule(monitor="val_loss"), progress=False)
    return result, clients


def assert_same(result, clients, others):
    expected, expected_clients = others
    assert result.last_state.keys() == expected.last_state.keys()
    for name, value in expected.last_state.items():
        torch.testing.assert_close(result.last_state[name], value, atol=1e-5, rtol=0)
    for row, other in zip(result.history.rounds, expected.history.rounds, strict=True):
        assert row.metrics == pytest.approx(other.metrics, abs=1e-5)
        assert (row.clients, row.faults) == (other.clients, other.faults)
    for client, other in zip(clients, expected_clients, strict=True):
        assert client.memory.keys() == other.memory.keys()
        for name, value in other.memory.items():
            torch.testing.assert_close(client.memory[name], value, atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_it_equals_the_sequential_engine(model, sparse):
    options = {"model": model, "sparse": sparse}
    assert_same(*run(VectorisedEngine(), **options), run(SequentialEngine(), **options))


@pytest.mark.parametrize("strategy", [FedProx, PullingFedAvg, FedBNLike, Local, functools.partial(FedAvg, 0.5)])
@pytest.mark.parametrize("optimizer", [SGD, ADAM, None], ids=["SGD", "Adam", "task's own"])
def test_every_algorithm_and_optimizer_is_as_it_was(strategy, optimizer):
    options = {"optimizer": optimizer, "model": "wavelets alone"}
    assert_same(*run(VectorisedEngine(), strategy(), **options), run(SequentialEngine(), strategy(), **options))


@pytest.mark.parametrize(
    "name", ["Ditto", "FedAvgM", "FedDC", "FedNova", "FedOpt", "FedPer", "FedYogi", "GCFLPlus", "Scaffold"]
)
def test_published_algorithms_need_no_change(name):
    kind = getattr(algorithms, name)
    assert_same(*run(VectorisedEngine(), kind()), run(SequentialEngine(), kind()))


@pytest.mark.parametrize("sizes", [(30,), (100, 15, 50, 15), (20, 20, 20)], ids=["one", "unequal", "equal"])
def test_clients_of_any_sizes(sizes):
    options = {"sizes": sizes, "model": "wavelets"}
    assert_same(*run(VectorisedEngine(), **options), run(SequentialEngine(), **options))


def exchange(engine, clients, call="fit", round=1):
    strategy = FedAvg()
    strategy.initialize(clients[0].initial, len(clients))
    return engine.exchange(call, clients, strategy.configure_fit(round, range(len(clients))))


def test_answers_are_the_same_messages():
    clients = make_clients(model="wavelets")
    answers, expected = exchange(VectorisedEngine(), clients), exchange(SequentialEngine(), clients)
    assert list(answers) == list(expected)
    for number, reply in expected.items():
        assert answers[number].metrics == pytest.approx(reply.metrics, abs=1e-5)
        for name, value in reply.arrays.items():
            torch.testing.assert_close(answers[number].arrays[name], value, atol=1e-5, rtol=0)
            assert answers[number].arrays[name].untyped_storage().nbytes() == value.nbytes  # nobody else's


def test_some_clients_may_have_sparse_features_and_others_dense_ones():
    clients, others = make_clients(), make_clients()
    for some in (clients, others):
        some[1].data.data.x = some[1].data.data.x.to_sparse_csr()
    answers, expected = exchange(VectorisedEngine(), clients), exchange(SequentialEngine(), others)
    for number, reply in expected.items():
        for name, value in reply.arrays.items():
            torch.testing.assert_close(answers[number].arrays[name], value, atol=1e-5, rtol=0)


def test_two_runs_are_bit_equal_with_dropout_too():
    MODELS["dropout"] = {"model": functools.partial(GCN, hidden_channels=8, dropout=0.5)}
    states = [run(VectorisedEngine(), model="dropout")[0].last_state for _ in range(2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_graphs_are_built_once_for_a_set_of_clients_and_few_are_kept():
    engine, clients = VectorisedEngine(), make_clients()
    exchange(engine, clients)
    (joint,) = engine._kept.values()
    exchange(engine, clients)
    assert next(iter(engine._kept.values())) is joint
    for part in (clients[:2], clients[1:3], clients[2:4]):
        for number, client in enumerate(part):
            client.number = number
        exchange(engine, part)
    assert len(engine._kept) == 2


def test_a_changed_graph_is_seen():
    engine, clients = VectorisedEngine(), make_clients()
    exchange(engine, clients)
    clients[0].data = NodeData(next(make_graphs((33,))))
    answers, expected = exchange(engine, clients), exchange(SequentialEngine(), clients)
    for name, value in expected[0].arrays.items():
        torch.testing.assert_close(answers[0].arrays[name], value, atol=1e-5, rtol=0)


def test_a_client_without_training_nodes_sends_back_what_it_got():
    clients = make_clients()
    clients[2].data.data.train_mask[:] = False
    answers, expected = exchange(VectorisedEngine(), clients), exchange(SequentialEngine(), clients)
    assert answers[2].metrics == expected[2].metrics == {"num_examples": 0, "loss": 0, "steps": 0}
    assert all(torch.equal(answers[2].arrays[name], value) for name, value in clients[2].initial.items())
    for name, value in expected[3].arrays.items():
        torch.testing.assert_close(answers[3].arrays[name], value, atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", ["GCN", "wavelets"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_a_client_with_nan_faults_alone(model, sparse):
    clients = make_clients(model=model, sparse=sparse)
    x = clients[1].data.data.x
    (x.values() if sparse else x)[:] = torch.nan
    answers, expected = exchange(VectorisedEngine(), clients), exchange(SequentialEngine(), clients)
    assert [number for number, answer in answers.items() if isinstance(answer, Fault)] == [1]
    assert answers[1] == expected[1]
    for number in (0, 2, 3, 4):
        for name, value in expected[number].arrays.items():
            torch.testing.assert_close(answers[number].arrays[name], value, atol=1e-5, rtol=0)


def test_a_client_that_breaks_the_joint_training_faults_alone():
    clients = make_clients()
    clients[3].data.data.y[:] = 7  # of 3 classes
    with pytest.warns(UserWarning, match="the joint training raised IndexError"):
        answers = exchange(VectorisedEngine(), clients)
    assert [number for number, answer in answers.items() if isinstance(answer, Fault)] == [3]


def test_an_evaluation_that_raises_faults_alone():
    clients = make_clients()
    clients[3].data.data.x = torch.ones(3, 3)
    with pytest.warns(UserWarning, match="the joint evaluation raised"):
        answers = exchange(VectorisedEngine(), clients, "evaluate")
    assert [number for number, answer in answers.items() if isinstance(answer, Fault)] == [3]


class Stubborn(Client):
    def start(self, request):
        if self.number == 1:
            raise RuntimeError("no")
        return super().start(request)

    def finish(self, request, start, end, metrics):
        self.memory = {"seen": torch.ones(1)}
        if self.number == 2:
            raise RuntimeError("never")
        return super().finish(request, start, end, metrics)


def test_a_client_that_raises_faults_alone_and_remembers_nothing_new():
    clients = make_clients(Stubborn)
    answers = exchange(VectorisedEngine(), clients)
    assert answers[1] == Fault(1, 1, "raised RuntimeError: no")
    assert answers[2] == Fault(2, 1, "raised RuntimeError: never")
    assert [bool(client.memory) for client in clients] == [True, False, False, True, True]


class OwnWay(Client):
    def train(self, start, pull, generator):
        return super().train(start, pull, generator)


class Shared(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.first = nn.Linear(in_channels, num_classes)
        self.second = nn.Linear(in_channels, num_classes)
        self.second.weight = self.first.weight


def with_model(model):
    return lambda clients: setattr(clients[0].task, "encoder", model(8, 3))


def with_task(clients):
    for client in clients:
        client.task = ContrastiveTask(8)


@pytest.mark.parametrize(
    ("options", "change", "reason"),
    [
        ({"kind": OwnWay}, lambda clients: None, "OwnWay trains in a way of its own"),
        ({}, lambda clients: setattr(clients[1], "data", object()), "object is not NodeData"),
        ({}, lambda clients: setattr(clients[1], "local", LocalTraining(7)), "do not share one task"),
        ({}, with_task, "do not share one task"),
        ({}, with_model(GAT), "is a GATConv, a layer of weights without a stacked form"),
        ({}, with_model(Shared), "two of its layers share a weight"),
        ({"optimizer": torch.optim.LBFGS}, lambda clients: None, "LBFGS does not treat each weight by itself"),
    ],
)
def test_it_says_where_it_does_not_apply(options, change, reason):
    clients = make_clients(**options)
    change(clients)
    with pytest.raises(ValueError, match=f"expected clients to which the vectorised one applies, but .*{reason}"):
        exchange(VectorisedEngine(), clients)


def test_an_objective_of_pairs_is_no_mean_over_nodes():
    (graph,) = make_graphs((20,))
    clients = [Client(0, ContrastiveTask(8), NodeData(graph))]
    with pytest.raises(ValueError, match="the loss of ContrastiveTask is not a mean over nodes"):
        exchange(VectorisedEngine(), clients)


def test_clients_evaluated_elsewhere_are_evaluated_one_after_the_other():
    clients = make_clients(LocalClient)
    clients[1].evaluation_data = clients[0].data
    answers, expected = (exchange(e, clients, "evaluate") for e in (VectorisedEngine(), SequentialEngine()))
    for number, reply in expected.items():
        assert answers[number].metrics == reply.metrics
        for name, value in reply.arrays.items():
            torch.testing.assert_close(answers[number].arrays[name], value, atol=1e-5, rtol=0)
