"""FedRep."""

import math

import pytest
import torch

from graphml.federated import FedAvg, FedPer, FedRep, Message
from graphml.federated.client import count_examples
from graphml.federated.seeds import derived_seed, forked_random_state

HEAD = ("encoder.lins.1.weight", "encoder.biases.1.bias")


def by_hand(client, start, epochs):
    """Two phases of SGD, each over its own list of parameters."""
    task, named = client.task, dict(client.task.named_parameters())
    task.load_state_dict(start)
    task.train()
    phases = ([named[name] for name in HEAD], [value for name, value in named.items() if name not in HEAD])
    with forked_random_state(derived_seed(0, 1, client.number)) as generator:
        for parameters, passes in zip(phases, epochs, strict=True):
            optimizer = torch.optim.SGD(parameters, lr=0.1)
            for _ in range(passes):
                task.zero_grad()
                task.loss(task.network, client.data.data, generator)[0].backward()
                optimizer.step()
    return {name: value.clone() for name, value in task.state_dict().items()}


def test_head_first_and_then_the_body(graphs):
    client = graphs(FedRep(head_epochs=3), epochs=2)[1]
    start = dict(client.initial)
    shared = {name: value for name, value in start.items() if name not in HEAD}
    reply = client.fit(Message(shared, config={"round": 1}))
    expected = by_hand(client, start, (3, 2))
    assert reply.arrays.keys() == shared.keys()
    assert reply.metrics["steps"] == 5
    assert all(torch.equal(value, expected[name]) for name, value in reply.arrays.items())
    assert client.memory.keys() == set(HEAD)
    assert all(torch.equal(client.memory[name], expected[name]) for name in HEAD)
    assert not torch.equal(expected[HEAD[0]], start[HEAD[0]])


def test_what_was_frozen_before_stays_so(graphs):
    client = graphs(FedRep(head_epochs=1))[0]
    client.task.encoder.biases[0].bias.requires_grad_(False)
    before = {name: value.requires_grad for name, value in client.task.named_parameters()}
    start = {name: value for name, value in client.initial.items() if name not in HEAD}
    reply = client.fit(Message(start, config={"round": 1}))
    assert {name: value.requires_grad for name, value in client.task.named_parameters()} == before
    assert torch.equal(reply.arrays["encoder.biases.0.bias"], client.initial["encoder.biases.0.bias"])


def test_gradients_come_back_after_an_error(graphs):
    client = graphs(FedRep(head_epochs=1))[0]
    client.data.data.x = client.data.data.x * float("nan")
    start = {name: value for name, value in client.initial.items() if name not in HEAD}
    with pytest.raises(FloatingPointError):
        client.fit(Message(start, config={"round": 1}))
    assert all(value.requires_grad for value in client.task.parameters())
    assert not client.memory


@pytest.mark.parametrize(("kind", "can"), [(FedAvg, False), (FedPer, True), (FedRep, True)])
def test_heads_tell_clients_apart_that_name_the_classes_differently(kind, can, graphs, federate):
    # One graph, classes renamed in a circle: of three labels for each node no common model does better than log 3.
    strategy = kind()
    clients = graphs(strategy, norm=True)
    for number, client in enumerate(clients):
        client.data.data = clients[0].data.data.clone()
        client.data.data.y = (clients[0].data.data.y + number) % 3
    federate(strategy, clients, 10)
    request, losses = Message(strategy.state, config={"round": 10}), []
    for client in clients:
        client.task.load_state_dict(client.evaluated(request))
        losses.append(
            client.task.metrics(count_examples(client.task, client.data, "train", client.task.network))["loss"]
        )
    assert (sum(losses) / 3 < math.log(3)) == can
    assert not can or sum(losses) / 3 < 0.9


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_wrong_number_of_epochs_is_refused(epochs):
    with pytest.raises(ValueError, match=f"head_epochs: expected at least 1, got {epochs}"):
        FedRep(head_epochs=epochs)
