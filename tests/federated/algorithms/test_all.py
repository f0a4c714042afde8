"""What holds for every algorithm: equal runs are bit-equal, stopped ones too, and order does not matter."""

import pytest
import torch

from graphml.federated import (
    AdaFGL,
    Ditto,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedBN,
    FedDC,
    FedNova,
    FedOpt,
    FedPer,
    FedProx,
    FedPub,
    FedRep,
    FedYogi,
    GCFLPlus,
    Local,
    Scaffold,
)
from graphml.federated.algorithms.adaptive_fedmvr import AdaptiveFedMVR
from graphml.federated.algorithms.fedmvr import FedMVR
from graphml.federated.simulation import Schedule, simulate

KINDS = [
    AdaFGL, AdaptiveFedMVR, Ditto, FedAdagrad, FedAdam, FedAvg, FedAvgM, FedBN, FedDC, FedMVR, FedNova, FedOpt,
    FedPer, FedProx, FedPub, FedRep, FedYogi, GCFLPlus, Local, Scaffold,
]  # fmt: skip


def outcome(strategy, clients):
    """Everything that a run leaves, by name."""
    memories = {f"{client.number}/{name}": value for client in clients for name, value in client.memory.items()}
    return strategy.state | {f"server/{name}": value for name, value in strategy.memory.items()} | memories


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.allclose(value, second[name], rtol=0, atol=0, equal_nan=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_the_uninterrupted_one(kind, graphs, tmp_path):
    def go(rounds, **options):
        strategy = kind(client_fraction=0.7)  # two of three
        clients = graphs(strategy, norm=True)
        result = simulate(strategy, clients, rounds, progress=False, schedule=Schedule(monitor="val_loss"), **options)
        assert not result.history.faults
        return outcome(strategy, clients), [row.metrics for row in result.history.rounds]

    path = tmp_path / "checkpoint.pt"
    whole, metrics = go(4)
    go(2, checkpoint=path)
    resumed, again = go(4, checkpoint=path, resume=True)
    assert_equal(whole, resumed)
    assert metrics == again


@pytest.mark.parametrize("kind", KINDS)
def test_server_and_clients_share_no_memory(kind, graphs, federate):
    strategy = kind()
    clients = graphs(strategy, norm=True)
    federate(strategy, clients, 2)
    before = {name: value.clone() for name, value in outcome(strategy, clients).items()}
    for parameter in clients[0].task.parameters():
        parameter.data.fill_(7.0)
    assert_equal(before, outcome(strategy, clients))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (AdaFGL, FedBN, FedPer, FedPub, FedRep)])
def test_a_round_in_which_nobody_has_data_changes_no_weights(kind, quadratics, problem, federate):
    strategy = kind()
    clients = quadratics(strategy, *problem, examples=[0] * 4, steps=0)
    state = federate(strategy, clients, 2)
    assert all(torch.equal(value, torch.zeros_like(value)) for value in state.values())
