"""Small federations for the tests of the seam."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import Client, LocalTraining, NodeData, Strategy
from graphml.federated.weights import weights_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask

TWO_STEPS = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.2))


@pytest.fixture(scope="session")
def graphs() -> list[Data]:
    """Four graphs of one block model, of different sizes, with masks."""
    return [
        NodeDataModule.from_data(
            contextual_sbm(num_nodes=40 + 10 * k, num_classes=3, num_features=6, average_degree=6, seed=k),
            self_loops=True,
            train_fraction=0.5,
        ).data
        for k in range(4)
    ]


@pytest.fixture
def task() -> NodeClassificationTask:
    torch.manual_seed(0)
    return NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=4, dropout=0.0))


@pytest.fixture
def make_clients(task, graphs) -> Callable[..., list[Client]]:
    """Clients of a strategy's kind, one a graph; all that are ever made start from the same weights."""
    initial = weights_of(task)

    def make(strategy: Strategy, local: LocalTraining = TWO_STEPS, **options: Any) -> list[Client]:
        chosen = options.pop("graphs", graphs)
        kind = options.pop("kind", strategy.client)
        options = {"initial": initial} | options
        return [kind(number, task, NodeData(data), local, **options) for number, data in enumerate(chosen)]

    return make
