"""A small client, and what the server sees of it."""

import functools
from dataclasses import dataclass

import pytest
import torch
from torch_geometric.data import Batch, Data

from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import (
    DenseForward,
    Observation,
    dense_adjacency,
    dense_forward,
    gradient_of_update,
    local_update,
    small_client,
)
from graphml.federated.weights import Weights, parameter_names, weights_of
from graphml.models import GCN
from graphml.tasks import GraphClassificationTask, NodeClassificationTask

ONE_STEP = LocalTraining(1, functools.partial(torch.optim.SGD, lr=0.5))


@dataclass(frozen=True)
class Victim:
    """A client, the weights that it was sent, and the gradient that its answer gives away."""

    data: Data
    adjacency: torch.Tensor
    forward: DenseForward
    weights: Weights
    gradient: Weights

    def observation(self, **known) -> Observation:
        labels = known.pop("labels", self.data.y)
        return Observation(
            self.forward, self.weights, self.gradient, labels, self.data.num_nodes, self.data.num_features, **known
        )


@pytest.fixture
def wide_task() -> NodeClassificationTask:
    """Units enough for a gradient to tell the features."""
    torch.manual_seed(0)
    return NodeClassificationTask(30, 3, model=functools.partial(GCN, hidden_channels=64, dropout=0.0))


@pytest.fixture
def documents() -> Data:
    """Five documents of a few words each that cite one another in a line, the middle one by one more."""
    line = torch.tensor([[0, 1, 2, 2], [1, 2, 3, 4]])
    edges = torch.cat([line, line.flip(0), torch.arange(5).expand(2, 5)], dim=1)
    words = (torch.rand(5, 30, generator=torch.Generator().manual_seed(3)) < 0.15).float()
    return Data(x=words, y=torch.tensor([0, 1, 2, 0, 1]), edge_index=edges)


@pytest.fixture
def victim(wide_task, documents) -> Victim:
    """All documents are for training; the client has taken one step."""
    data, weights = small_client(documents, torch.arange(5)), weights_of(wide_task)
    update = local_update(wide_task, weights, data, ONE_STEP, seed=0)
    after = {name: weights[name] + change for name, change in update.items()}
    gradient = gradient_of_update(weights, after, lr=0.5, parameters=parameter_names(wide_task))
    adjacency = dense_adjacency(data.edge_index, data.num_nodes)
    return Victim(data, adjacency, dense_forward(wide_task.encoder, "encoder."), weights, gradient)


@pytest.fixture
def graph_victim() -> Victim:
    """One molecule-like graph, five atoms of three kinds on a ring with a tail."""
    torch.manual_seed(0)
    task = GraphClassificationTask(3, 2)
    task.model.dropout = task.model.gin.dropout = 0.0
    ring = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 4]])
    x = torch.eye(3)[torch.tensor([0, 1, 0, 2, 1])]
    data = Data(x=x, edge_index=torch.cat([ring, ring.flip(0)], dim=1), y=torch.tensor([1]))
    weights = weights_of(task)
    loss, _ = task.train().loss(task.network, Batch.from_data_list([data]), torch.Generator())
    loss.backward()
    gradient = {name: parameter.grad.clone() for name, parameter in task.named_parameters()}
    forward = dense_forward(task.model, "model.", self_loops=False)
    return Victim(data, dense_adjacency(data.edge_index, 5), forward, weights, gradient)
