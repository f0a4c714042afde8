"""Rounds: the equalities that every federation must keep, faults, checkpoints."""

import functools
import math
import time

import numpy as np
import pytest
import torch

from graphml.federated import (
    Client,
    FedAvg,
    Local,
    LocalTraining,
    Message,
    NodeData,
    Schedule,
    SequentialEngine,
    TooFewClientsError,
    simulate,
)
from graphml.federated.weights import weights_of
from graphml.models import GCNEncoder
from graphml.tasks import NodeClassificationTask

ADAM = functools.partial(torch.optim.Adam, lr=0.3)


def quiet(strategy, clients, rounds=3, **options):
    return simulate(strategy, clients, rounds, progress=False, **options)


def equal(left, right) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_one_client_is_central_training(make_clients, task, graphs):
    local = LocalTraining(5, functools.partial(torch.optim.SGD, lr=0.2, weight_decay=0.01))
    found = quiet(FedAvg(), make_clients(FedAvg(), local, graphs=graphs[:1])).last_state
    torch.manual_seed(0)
    central = type(task)(6, 3, model=functools.partial(type(task.encoder), hidden_channels=4, dropout=0.0))
    optimizer, data = local.optimizer(central.parameters()), graphs[0]
    for _ in range(15):
        optimizer.zero_grad()
        central.loss(central.network, data, torch.Generator())[0].backward()
        optimizer.step()
    assert equal(found, central.state_dict())


def test_identical_clients_are_one_client(make_clients, graphs):
    one = quiet(FedAvg(), make_clients(FedAvg(), graphs=graphs[:1])).last_state
    same = quiet(FedAvg(), make_clients(FedAvg(), graphs=[graphs[0]] * 3)).last_state
    assert equal(one, same)


def test_the_order_of_clients_does_not_matter(make_clients, graphs):
    """Up to the order of a sum of four numbers in double precision."""
    straight = quiet(FedAvg(), make_clients(FedAvg())).last_state
    turned = quiet(FedAvg(), make_clients(FedAvg(), graphs=graphs[::-1])).last_state
    for name, value in straight.items():
        torch.testing.assert_close(turned[name], value, rtol=1e-6, atol=1e-7)


def test_a_round_averages_by_training_nodes(make_clients, graphs):
    clients = make_clients(FedAvg())
    replies = [client.fit(Message(client.initial, config={"round": 1})) for client in clients]
    sizes = [int(data.train_mask.sum()) for data in graphs]
    found = quiet(FedAvg(), make_clients(FedAvg()), 1).last_state
    for name in found:
        expected = np.average([reply.arrays[name].double().numpy() for reply in replies], axis=0, weights=sizes)
        np.testing.assert_allclose(found[name].numpy(), expected.astype(np.float32), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("strategy", [FedAvg, Local], ids=["fedavg", "local"])
def test_two_runs_are_bit_equal(make_clients, task, strategy):
    task.encoder.dropout = 0.5
    runs = []
    for _ in range(2):
        torch.rand(3)
        clients = make_clients(strategy())
        result = quiet(strategy(client_fraction=0.5), clients)
        metrics = [row.metrics for row in result.history.rounds]
        runs.append((result.last_state, metrics, [client.memory for client in clients]))
    assert equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert all(equal(*pair) for pair in zip(runs[0][2], runs[1][2], strict=True))


def test_threads_are_given_back(make_clients):
    before = torch.get_num_threads()
    quiet(FedAvg(), make_clients(FedAvg()), 1)
    assert torch.get_num_threads() == before


def test_a_fraction_of_the_clients_is_drawn_anew_each_round(make_clients):
    strategy = FedAvg(client_fraction=0.5)
    drawn = [strategy.sample(number, range(10), 0) for number in range(1, 30)]
    assert all(len(set(numbers)) == 5 and numbers == sorted(numbers) for numbers in drawn)
    assert len({tuple(numbers) for numbers in drawn}) > 20
    assert drawn == [strategy.sample(number, range(10), 0) for number in range(1, 30)]
    assert drawn != [strategy.sample(number, range(10), 1) for number in range(1, 30)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert counts.min() >= 7  # 14.5 expected
    history = quiet(strategy, make_clients(strategy)).history
    assert [row.clients for row in history.rounds] == [0, 2, 2, 2]


def test_the_server_evaluates_the_global_weights_and_clients_their_own(make_clients, task, graphs):
    server = Client(-1, task, NodeData(graphs[3]), initial=make_clients(FedAvg())[0].initial)
    result = quiet(FedAvg(), make_clients(FedAvg()), server=server)
    task.load_state_dict(result.last_state)
    data = graphs[3]
    right = (task.eval()(data).argmax(1) == data.y)[data.test_mask].double().mean()
    assert result.history.rounds[-1].metrics["test_accuracy"] == pytest.approx(float(right))
    clients = make_clients(Local(), evaluation_data=NodeData(data))
    task.load_state_dict(clients[0].initial)
    personal = quiet(Local(), clients, server=server).history.rounds[-1].metrics["test_accuracy"]
    expected = []
    for client in clients:
        task.load_state_dict(client.memory)
        expected.append(float((task.eval()(data).argmax(1) == data.y)[data.test_mask].double().mean()))
    assert personal == pytest.approx(np.mean(expected))


def test_bytes_are_those_of_the_encoded_messages(make_clients):
    clients = make_clients(FedAvg())
    row = quiet(FedAvg(), clients, 1, server=clients[0]).history.rounds[1]
    requests = FedAvg()
    requests.initialize(clients[0].initial, 4)
    down = sum(len(message.encode()) for message in requests.configure_fit(1, range(4)).values())
    up = sum(len(client.fit(requests.request(1)).encode()) for client in make_clients(FedAvg()))
    assert row.bytes_down == down
    assert row.bytes_up == up


def test_a_resumed_run_equals_the_whole_one(make_clients, tmp_path):
    for strategy in (FedAvg, Local):
        options = {"checkpoint": tmp_path / f"{strategy.__name__}.pt", "schedule": Schedule(checkpoint_every=1)}
        whole_clients = make_clients(strategy())
        whole = quiet(strategy(0.5), whole_clients, 6)
        quiet(strategy(0.5), make_clients(strategy()), 4, **options)
        clients = make_clients(strategy())
        resumed = quiet(strategy(0.5), clients, 6, resume=True, **options)
        assert equal(resumed.last_state, whole.last_state)
        assert equal(resumed.state, whole.state)
        assert [row.metrics for row in resumed.history.rounds] == [row.metrics for row in whole.history.rounds]
        assert all(equal(a.memory, b.memory) for a, b in zip(clients, whole_clients, strict=True))


def test_a_checkpoint_of_another_model_is_refused(make_clients, tmp_path):
    path = tmp_path / "checkpoint.pt"
    quiet(FedAvg(), make_clients(FedAvg()), 1, checkpoint=path)
    clients = make_clients(FedAvg())
    for client in clients:
        client.initial = dict(list(client.initial.items())[1:])
    with pytest.raises(ValueError, match="checkpoint: expected one of this model"):
        quiet(FedAvg(), clients, 2, checkpoint=path, resume=True)


def test_patience_ends_a_run_that_no_longer_improves(make_clients):
    local = LocalTraining(1, functools.partial(torch.optim.SGD, lr=0.0))
    schedule = Schedule(patience=3)
    history = quiet(FedAvg(), make_clients(FedAvg(), local), 50, schedule=schedule).history
    assert [row.round for row in history.rounds] == [0, 1, 2, 3]
    assert history.best.round == 0


def test_evaluation_may_be_rarer_and_the_last_round_is_evaluated(make_clients):
    history = quiet(FedAvg(), make_clients(FedAvg()), 5, schedule=Schedule(evaluate_every=2)).history
    assert [row.round for row in history.evaluated] == [0, 2, 4, 5]


def test_the_best_weights_are_kept(make_clients):
    local = LocalTraining(10, ADAM)
    result = quiet(FedAvg(), make_clients(FedAvg(), local), 8, schedule=Schedule(monitor="val_loss"))
    losses = [row.metrics["val_loss"] for row in result.history.rounds]
    best = result.history.best.round
    assert losses[best] == min(losses)
    assert 0 < best < 8
    assert equal(quiet(FedAvg(), make_clients(FedAvg(), local), best).last_state, result.state)


def test_a_metric_that_is_not_measured_cannot_choose(make_clients):
    with pytest.raises(ValueError, match=r"monitor: expected one of the metrics \(val_loss, .*\), got 'val_f1'"):
        quiet(FedAvg(), make_clients(FedAvg()), 1, schedule=Schedule(monitor="val_f1"))


@pytest.mark.parametrize(("rounds", "size"), [(0, 4), (3, 0)])
def test_rounds_and_clients_are_needed(make_clients, rounds, size):
    with pytest.raises(ValueError, match="clients and rounds: expected at least 1"):
        quiet(FedAvg(), make_clients(FedAvg())[:size], rounds)


class Faulty(Client):
    """Fails in one way, in 30 % of the rounds."""

    ways = ("raise", "slow", "nan", "infinite metric", "shape", "nothing", "type", "missing", "unknown", "negative")

    def fit(self, request: Message) -> Message:
        way, reply = self.ways[self.number % len(self.ways)], super().fit(request)
        if (int(request.config["round"]) + 7 * self.number) % 10 >= 3:
            return reply
        name, first = next(iter(reply.arrays.items()))
        if way == "raise":
            raise RuntimeError("out of order")
        if way == "slow":
            time.sleep(5)
        bad = {
            "nan": Message(reply.arrays | {name: first * math.nan}, reply.metrics),
            "infinite metric": Message(reply.arrays, reply.metrics | {"loss": math.inf}),
            "shape": Message(reply.arrays | {name: first[:1]}, reply.metrics),
            "type": Message(reply.arrays | {name: first.double()}, reply.metrics),
            "missing": Message({}, reply.metrics),
            "unknown": Message(reply.arrays | {"extra": first}, reply.metrics),
            "negative": Message(reply.arrays, reply.metrics | {"num_examples": -5}),
        }
        return bad.get(way)


REASONS = {
    "raise": "raised RuntimeError: out of order",
    "slow": "timed out after 0.5 seconds",
    "nan": "sent NaN or infinity in",
    "infinite metric": "sent inf for loss",
    "shape": "of shape [1, 6] of torch.float32, expected",
    "nothing": "answered with NoneType, no message",
    "type": "of torch.float64, expected",
    "missing": "lacks ",
    "unknown": "sent extra, which nobody asked for",
    "negative": "num_examples -5",
}


def test_every_fault_is_named_and_none_reaches_the_global_weights(make_clients, graphs):
    clients = make_clients(FedAvg(), kind=Faulty, graphs=[graphs[k % 4] for k in range(10)])
    result = quiet(FedAvg(), clients, 5, engine=SequentialEngine(timeout=0.5))
    seen = {fault.client: fault.reason for fault in result.history.faults}
    for number, way in enumerate(Faulty.ways):
        expected = [r for r in range(1, 6) if (r + 7 * number) % 10 < 3]
        assert [fault.round for fault in result.history.faults if fault.client == number] == expected
        if expected:
            assert REASONS[way] in seen[number]
    assert len(seen) >= 7
    assert all(row.clients + row.faults == 10 for row in result.history.rounds[1:])
    assert all(bool(value.isfinite().all()) for value in result.last_state.values())


def test_without_faulty_answers_the_round_is_that_of_the_others(make_clients, graphs):
    class Broken(Client):
        def fit(self, request: Message) -> Message:
            if self.number == 1:
                raise RuntimeError("broken")
            return super().fit(request)

    found = quiet(FedAvg(), make_clients(FedAvg(), kind=Broken), 1).last_state
    clients = make_clients(FedAvg())
    replies = [client.fit(Message(client.initial, config={"round": 1})) for client in clients if client.number != 1]
    sizes = [reply.metrics["num_examples"] for reply in replies]
    for name in found:
        expected = np.average([reply.arrays[name].double().numpy() for reply in replies], axis=0, weights=sizes)
        np.testing.assert_allclose(found[name].numpy(), expected.astype(np.float32), rtol=1e-6, atol=1e-8)


def test_too_few_answers_fail_the_run_and_name_the_faults(make_clients):
    class Broken(Client):
        def fit(self, request: Message) -> Message:
            if self.number:
                raise RuntimeError(f"disk {self.number} is full")
            return super().fit(request)

    with pytest.raises(
        TooFewClientsError, match=r"round 1: 1 of 4 clients(?s:.)*client 2: 1 x raised .*disk 2 is full"
    ):
        quiet(FedAvg(), make_clients(FedAvg(), kind=Broken), schedule=Schedule(min_clients=2))


def test_a_refused_answer_leaves_the_clients_memory_as_it_was(make_clients):
    class Liar(Local.client):
        def fit(self, request: Message) -> Message:
            reply = super().fit(request)
            return Message({"extra": torch.ones(1)}, reply.metrics) if self.number == 0 else reply

    clients = make_clients(Local(), kind=Liar)
    quiet(Local(), clients, 2)
    assert clients[0].memory == {}
    assert clients[1].memory


@pytest.mark.parametrize("name", ["evaluate_every", "patience", "min_clients", "checkpoint_every"])
def test_a_schedule_counts_from_one(name):
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        Schedule(**{name: 0})


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_a_fraction_is_a_share(fraction):
    with pytest.raises(ValueError, match="client_fraction: expected a share"):
        FedAvg(fraction)


def test_a_timeout_is_positive():
    with pytest.raises(ValueError, match="timeout: expected seconds above 0"):
        SequentialEngine(0)


def test_batch_norm_statistics_are_averaged_and_counters_kept(make_clients, graphs):
    torch.manual_seed(0)
    encoder = functools.partial(GCNEncoder, hidden_channels=4)
    task = NodeClassificationTask(6, 3, encoder=encoder)
    start = weights_of(task)
    clients = [Client(k, task, NodeData(data), LocalTraining(2), initial=start) for k, data in enumerate(graphs)]
    replies = [client.fit(Message(start, config={"round": 1})) for client in clients]
    found = quiet(FedAvg(), clients, 1).last_state
    names = [name for name in found if "running" in name]
    assert len(names) == 4
    sizes = [int(data.train_mask.sum()) for data in graphs]
    for name in names:
        assert not torch.equal(found[name], start[name])
        expected = np.average([reply.arrays[name].double().numpy() for reply in replies], axis=0, weights=sizes)
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-6)
    assert found["encoder.norms.0.num_batches_tracked"] == 2
