"""FedBN."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import norm

from graphml.federated import Client, FedAvg, FedBN, LocalTraining
from graphml.tasks import NodeClassificationTask


class Normalised(nn.Module):
    """One layer of each kind that has weights or statistics, between linear layers."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, 8)
        self.torch_norm = nn.LayerNorm(8)
        self.pyg_norm = norm.BatchNorm(8)
        self.inner = nn.Sequential(norm.GraphNorm(8), nn.Linear(8, num_classes))


@pytest.fixture
def client():
    return FedBN.client(0, NodeClassificationTask(4, 3, model=Normalised), None, LocalTraining())


def test_layers_of_torch_and_pyg_are_personal_and_nothing_else(client):
    shared = {name for name in client.initial if not client.is_personal(name)}
    assert shared == {
        "encoder.first.weight",
        "encoder.first.bias",
        "encoder.inner.1.weight",
        "encoder.inner.1.bias",
    }
    personal = client.initial.keys() - shared
    assert "encoder.pyg_norm.module.running_var" in personal
    assert "encoder.inner.0.mean_scale" in personal
    assert "encoder.torch_norm.bias" in personal


def test_statistics_never_leave_a_client_and_are_its_own(graphs, federate, recording):
    strategy = FedBN()
    clients = graphs(strategy, norm=True)
    federate(strategy, clients, 2, engine=recording)
    messages = [message for seen in recording.seen if seen[0] == "fit" for message in seen[2:]]
    assert not any(".norms." in name for message in messages for name in message.arrays)
    assert not any(".norms." in name for name in strategy.state)
    means = [client.memory["encoder.norms.0.running_mean"] for client in clients]
    assert not torch.allclose(means[0], means[1])
    assert all(name in client.memory for client in clients for name in client.initial if ".norms." in name)


def test_one_client_is_trained_as_by_fedavg(graphs, federate):
    plain, alone = graphs(FedAvg(), norm=True)[:1], graphs(FedBN(), norm=True)[:1]
    first = federate(FedAvg(), plain, 3)
    second = federate(FedBN(), alone, 3) | alone[0].memory
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_client_is_evaluated_with_its_own_statistics(graphs, federate, recording):
    strategy = FedBN()
    clients = graphs(strategy, norm=True)
    federate(strategy, clients, 2, server=clients[0], engine=recording)
    last = [seen for seen in recording.seen if seen[0] == "evaluate"][-3:]
    assert [number for _, number, _, _ in last] == [0, 1, 2]  # the clients, although there is a server
    evaluated = clients[1].evaluated(last[1][2])
    assert torch.equal(evaluated["encoder.norms.0.running_mean"], clients[1].memory["encoder.norms.0.running_mean"])
    assert torch.equal(evaluated["head.weight"], strategy.state["head.weight"])


def test_a_model_without_normalisation_is_refused(graphs):
    with pytest.raises(ValueError, match="model: expected one with normalisation layers"):
        graphs(FedBN())


def test_it_has_a_client_of_its_own():
    assert issubclass(FedBN.client, Client)
    assert FedBN.personalised
