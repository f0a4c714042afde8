"""A small federation that was trained for a moment."""

import copy

import pytest

from graphml.federated.audit import Exposure
from graphml.federated.setup import build, resolve
from graphml.federated.simulation import simulate

FEDERATION = {
    "rounds": 5,
    "data": {"class_path": "graphml.data.NodeDataModule", "init_args": {"name": "digits", "self_loops": True}},
    "model": {
        "class_path": "graphml.tasks.NodeClassificationTask",
        "init_args": {
            "model": {"class_path": "graphml.models.GCN", "init_args": {"hidden_channels": 16, "dropout": 0.0}}
        },
    },
    "partitioner": {"class_path": "graphml.federated.LouvainPartitioner", "init_args": {"num_clients": 3}},
    "strategy": {"class_path": "graphml.federated.FedAvg"},
    "local": {
        "epochs": 1,
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5, "weight_decay": 0.01}},
    },
}


@pytest.fixture(scope="session")
def federation():
    """Configuration of three clients of the digits graph, which take single steps of SGD."""
    return copy.deepcopy(FEDERATION)


@pytest.fixture(scope="session")
def exposure():
    setup = build(resolve([FEDERATION]))
    result = simulate(setup.strategy, setup.clients, setup.rounds, server=setup.server, progress=False)
    return Exposure(build(resolve([FEDERATION])), result.state)
