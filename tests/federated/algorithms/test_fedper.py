"""FedPer."""

import functools

import pytest
import torch
from torch import nn

from graphml.federated import FedAvg, FedPer, Local
from graphml.federated.algorithms.fedper import last_layer
from graphml.models import COGMEN, DERGCN, GCN, WaveletEncoder
from graphml.tasks import NodeClassificationTask

HEAD = {"encoder.lins.1.weight", "encoder.biases.1.bias"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (NodeClassificationTask(4, 3, encoder=functools.partial(WaveletEncoder, hidden_channels=8, K=4)), ["head"]),
        (NodeClassificationTask(4, 3, model=GCN), ["encoder.lins.1", "encoder.biases.1"]),
        (GCN(4, 3, num_layers=3), ["lins.2", "biases.2"]),
        (DERGCN({"text": 4}, 3, 2), ["head"]),
        (COGMEN({"text": 4}, 3, 2), ["classify"]),
        (nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 3), nn.Tanh())), ["1.1"]),
        (nn.ReLU(), []),
    ],
)
def test_the_last_layer_is_found(model, expected):
    assert last_layer(model) == expected


def test_the_head_never_leaves_a_client_and_is_its_own(graphs, federate, recording):
    strategy = FedPer()
    clients = graphs(strategy)
    federate(strategy, clients, 2, engine=recording)
    messages = [message for seen in recording.seen if seen[0] == "fit" for message in seen[2:]]
    assert messages
    assert not any(HEAD & message.arrays.keys() for message in messages)
    assert strategy.state.keys() == clients[0].initial.keys() - HEAD
    assert all(client.memory.keys() == HEAD for client in clients)
    assert not torch.allclose(clients[0].memory["encoder.lins.1.weight"], clients[1].memory["encoder.lins.1.weight"])


def test_a_client_that_was_not_drawn_keeps_its_head(graphs, federate):
    strategy = FedPer(client_fraction=0.4)  # one of three
    clients = graphs(strategy)
    federate(strategy, clients, 1)
    drawn = strategy.sample(1, range(3), 0)
    assert len(drawn) == 1
    assert [bool(client.memory) for client in clients] == [number in drawn for number in range(3)]


def test_one_client_is_trained_as_by_fedavg(graphs, federate):
    plain, alone = graphs(FedAvg())[:1], graphs(FedPer())[:1]
    first = federate(FedAvg(), plain, 3)
    second = federate(FedPer(), alone, 3) | alone[0].memory
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_body_is_averaged(graphs, federate):
    local, shared = graphs(Local()), graphs(FedPer())
    federate(Local(), local, 1)
    state = federate(FedPer(), shared, 1)
    examples = torch.tensor([10.0, 12.0, 14.0])  # one round from the same weights: local training is the same
    weights = torch.stack([client.memory["encoder.lins.0.weight"] for client in local])
    torch.testing.assert_close(state["encoder.lins.0.weight"], torch.einsum("k,kij->ij", examples / 36, weights))
    for client, other in zip(local, shared, strict=True):
        assert all(torch.equal(client.memory[name], other.memory[name]) for name in HEAD)


def test_any_part_can_be_the_head(graphs):
    client = graphs(FedPer(["encoder.biases", "encoder.lins.0.weight"]))[0]
    personal = {name for name in client.initial if client.is_personal(name)}
    assert personal == {"encoder.biases.0.bias", "encoder.biases.1.bias", "encoder.lins.0.weight"}


def test_layer_1_is_not_layer_10():
    task = NodeClassificationTask(4, 3, model=functools.partial(GCN, hidden_channels=4, num_layers=12))
    client = FedPer(["encoder.lins.1"]).client(0, task, None)
    assert [name for name in client.initial if client.is_personal(name)] == ["encoder.lins.1.weight"]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (["encoder.lin"], "names of modules or parameters of the model, got 'encoder.lin'"),
        (["encoder"], "a part of the model, which leaves another to share, got .*'encoder'"),
        ([], r"a part of the model, which leaves another to share, got \(\)"),
    ],
)
def test_a_wrong_head_is_refused(head, told, graphs):
    with pytest.raises(ValueError, match=f"head: expected {told}"):
        graphs(FedPer(head))


def test_a_model_of_one_layer_has_no_body(graphs, quadratics, problem):
    with pytest.raises(ValueError, match="head: expected a part of the model"):
        quadratics(FedPer(), *problem)
