"""The client: local training equals a plain loop, nothing leaks in or out of it."""

import functools

import pytest
import torch
import torch.nn.functional as F

from graphml.federated import Client, FedAvg, Local, LocalTraining, Message, NodeData, Pull
from graphml.federated.weights import weights_of

SGD = functools.partial(torch.optim.SGD, lr=0.2, weight_decay=0.01)


def request(client: Client, round: int = 1) -> Message:
    return Message(client.initial, config={"round": round})


def test_training_equals_a_plain_loop(make_clients, task, graphs):
    client = make_clients(FedAvg(), LocalTraining(3, SGD))[0]
    reply = client.fit(request(client))
    task.load_state_dict(client.initial)
    optimizer, data = SGD(task.parameters()), graphs[0]
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(task(data)[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
    assert all(torch.equal(reply.arrays[name], value) for name, value in weights_of(task).items())
    assert reply.metrics["num_examples"] == int(data.train_mask.sum())
    assert reply.metrics["steps"] == 3


def test_the_tasks_own_optimizer_is_the_default(make_clients, task, graphs):
    client = make_clients(FedAvg(), LocalTraining())[1]
    reply = client.fit(request(client))
    task.load_state_dict(client.initial)
    optimizer, data = task.configure_optimizers(), graphs[1]
    optimizer.zero_grad()
    F.cross_entropy(task(data)[data.train_mask], data.y[data.train_mask]).backward()
    optimizer.step()
    assert all(torch.equal(reply.arrays[name], value) for name, value in weights_of(task).items())


def test_an_answer_depends_on_seed_round_and_client_alone(make_clients, task):
    task.encoder.dropout = 0.5
    clients = make_clients(FedAvg())
    first = clients[2].fit(request(clients[2])).encode()
    torch.rand(7)
    clients[0].fit(request(clients[0]))
    assert clients[2].fit(request(clients[2])).encode() == first
    assert clients[2].fit(request(clients[2], round=2)).encode() != first
    state = torch.get_rng_state()
    clients[1].fit(request(clients[1]))
    assert torch.equal(torch.get_rng_state(), state)


def test_personal_weights_stay_and_are_trained_on(make_clients):
    client = make_clients(Local())[0]
    reply = client.fit(request(client))
    assert reply.arrays == {}
    assert client.memory.keys() == client.initial.keys()
    changed = dict(client.memory)
    client.fit(Message(client.initial, config={"round": 2}))
    assert any(not torch.equal(client.memory[name], changed[name]) for name in changed)
    once = client.start(Message({}, config={"round": 3}))
    assert all(torch.equal(once[name], client.memory[name]) for name in once)


def test_evaluation_counts_what_a_loop_counts(make_clients, task, graphs):
    client = make_clients(FedAvg())[3]
    counts = client.evaluate(request(client)).arrays
    task.load_state_dict(client.initial)
    data = graphs[3]
    for stage, mask in (("val", data.val_mask), ("test", data.test_mask)):
        right = (task.eval()(data).argmax(1) == data.y)[mask]
        assert int(counts[f"{stage}/correct"]) == int(right.sum())
        assert int(counts[f"{stage}/count"]) == len(right)


def test_a_loss_that_is_not_finite_is_an_error_and_nothing_is_remembered(make_clients):
    client = make_clients(Local(), LocalTraining(20, functools.partial(torch.optim.SGD, lr=1e25)))[0]
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        client.fit(request(client))
    assert client.memory == {}


def test_a_client_without_training_nodes_sends_back_what_it_got(make_clients, graphs):
    data = graphs[0].clone()
    data.train_mask = torch.zeros_like(data.train_mask)
    client = make_clients(FedAvg(), graphs=[data])[0]
    reply = client.fit(request(client))
    assert reply.metrics["num_examples"] == reply.metrics["steps"] == 0
    assert all(torch.equal(reply.arrays[name], value) for name, value in client.initial.items())


def test_a_pull_is_the_gradient_of_a_proximal_term_and_a_drift():
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    idle = torch.nn.Parameter(torch.ones(1))
    towards, drift = torch.tensor([0.0, 5.0]), torch.tensor([0.1, 0.2])
    loss = 0.5 * 0.3 * (w - towards).square().sum() + (drift * w).sum()
    (expected,) = torch.autograd.grad(loss, w)
    w.grad = torch.zeros(2)
    Pull(0.3, {"w": towards}, {"w": drift}).add_to([("w", w), ("idle", idle)])
    torch.testing.assert_close(w.grad, expected)
    assert idle.grad is None


def test_at_least_one_epoch():
    with pytest.raises(ValueError, match="epochs: expected at least 1, got 0"):
        LocalTraining(0)


def test_other_data_can_be_evaluated_on(task, graphs):
    client = Client(0, task, NodeData(graphs[0]), evaluation_data=NodeData(graphs[2]))
    counts = client.evaluate(request(client)).arrays
    assert int(counts["test/count"]) == int(graphs[2].test_mask.sum())
