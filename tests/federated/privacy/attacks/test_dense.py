import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Batch

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated.privacy.attacks import dense_adjacency, dense_forward
from graphml.federated.privacy.attacks.dense import normalized
from graphml.federated.weights import weights_of
from graphml.models import GCN, GINGraphClassifier, WaveletEncoder
from graphml.tasks import GraphClassificationTask, NodeClassificationTask


def check_gradients(task, loss, dense_loss) -> None:
    """Gradients of the model and of its stand-in are the same numbers."""
    weights = {name: value.double() for name, value in weights_of(task).items()}
    parameters = {name: weights[name].requires_grad_() for name, _ in task.named_parameters()}
    found = torch.autograd.grad(dense_loss(weights), list(parameters.values()))
    loss.backward()
    for (name, parameter), value in zip(task.named_parameters(), found, strict=True):
        torch.testing.assert_close(value.float(), parameter.grad, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_stand_in_of_gcn_is_the_model(self_loops, num_layers):
    graph = contextual_sbm(num_nodes=20, num_classes=3, num_features=5, average_degree=4, seed=0)
    data = NodeDataModule.from_data(graph, self_loops=self_loops, train_fraction=0.5).data
    model = functools.partial(GCN, hidden_channels=7, num_layers=num_layers, dropout=0.0)
    task = NodeClassificationTask(5, 3, model=model)
    for bias in task.encoder.biases:
        nn.init.normal_(bias.bias)
    dense = dense_forward(task.encoder, "encoder.", self_loops)
    x, adjacency = data.x.double(), dense_adjacency(data.edge_index, 20)
    weights = {name: value.double() for name, value in weights_of(task).items()}
    torch.testing.assert_close(dense(weights, x, adjacency).float(), task(data), atol=1e-5, rtol=1e-4)
    labels = data.y.masked_fill(~data.train_mask, -100)
    loss, _ = task.loss(task.network, data, torch.Generator())
    check_gradients(task, loss, lambda w: F.cross_entropy(dense(w, x, adjacency), labels))


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("self_loops", [True, False])
def test_the_stand_in_of_gin_is_the_model_in_training(graph_victim, pooling, self_loops):
    model = functools.partial(GINGraphClassifier, hidden_channels=8, dropout=0.0, pooling=pooling)
    task = GraphClassificationTask(3, 2, model=model)
    for layer in task.model.gin.layers:
        nn.init.uniform_(layer.norm.weight, 0.5, 2.0)
        nn.init.normal_(layer.norm.bias)
    data = graph_victim.data.clone()
    if self_loops:
        data.edge_index = torch.cat([data.edge_index, torch.arange(5).expand(2, 5)], dim=1)
    batch = Batch.from_data_list([data])
    dense = dense_forward(task.model, "model.", self_loops)
    loss, _ = task.train().loss(task.network, batch, torch.Generator())
    check_gradients(task, loss, lambda w: F.cross_entropy(dense(w, data.x.double(), graph_victim.adjacency), data.y))


def test_the_gradient_can_be_differentiated_by_features_and_edges(victim):
    weights = {name: value.double() for name, value in victim.weights.items()}
    name = "encoder.lins.1.weight"

    def gradient(x, logits):
        weights[name].requires_grad_()
        half = torch.zeros(5, 5, dtype=torch.float64).index_put(tuple(torch.triu_indices(5, 5, 1)), logits.sigmoid())
        loss = F.cross_entropy(victim.forward(weights, x, half + half.T), victim.data.y)
        return torch.autograd.grad(loss, weights[name], create_graph=True)[0]

    x = victim.data.x.double().requires_grad_()
    logits = torch.randn(10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(gradient, (x, logits), atol=1e-6)


def test_nodes_without_edges_are_no_division_by_zero():
    adjacency = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    out = normalized(adjacency, self_loops=False)
    (gradient,) = torch.autograd.grad(out.sum(), adjacency)
    assert out.eq(0).all()
    assert gradient.isfinite().all()


def test_models_without_a_stand_in_are_refused():
    with pytest.raises(TypeError, match="expected a GCN or a GINGraphClassifier, got WaveletEncoder"):
        dense_forward(WaveletEncoder(3))
