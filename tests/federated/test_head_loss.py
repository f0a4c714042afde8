"""Derivatives of a head's loss, against finite differences, automatic ones and numpy."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from graphml.federated.head_loss import HeadLoss, effective_dimension, head_matrix, head_weights, linear_head
from graphml.federated.weights import weights_of
from graphml.models import GCN, GCNEncoder, IdentityEncoder
from graphml.tasks import (
    BinaryNodeClassificationTask,
    ContrastiveTask,
    LeastSquaresClassificationTask,
    NodeClassificationTask,
)

KINDS = [BinaryNodeClassificationTask, LeastSquaresClassificationTask, NodeClassificationTask]


def graph(classes: int, size: int = 30) -> Data:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(size, 4, generator=generator)
    y = torch.arange(size) % classes
    train = torch.arange(size) % 3 > 0
    edges = torch.stack([torch.arange(size), torch.arange(size).roll(1)])
    weights = torch.ones(size)
    return Data(x=x, y=y, edge_index=edges, edge_weight=weights, train_mask=train, val_mask=~train, test_mask=~train)


def made(kind, encoder=IdentityEncoder):
    classes = 2 if kind is BinaryNodeClassificationTask else 3
    return kind(4, classes, encoder=encoder), graph(classes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoder", [IdentityEncoder, functools.partial(GCNEncoder, hidden_channels=5)])
def test_loss_gradient_and_hessian_are_those_of_autograd(kind, encoder):
    task, data = made(kind, encoder)
    task = task.double().eval()
    data.x, data.edge_weight = data.x.double(), data.edge_weight.double()
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    gradient, roots = loss.derivatives(head)

    def value(matrix):
        parameters = head_weights(matrix, {name: v for name, v in weights_of(task).items() if name.startswith("head")})
        out = torch.func.functional_call(task, parameters, (data,))
        return task.loss(lambda batch: out, data, torch.Generator())[0]

    assert loss.loss(head) == pytest.approx(value(head).item(), rel=1e-12)
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(value, head), rtol=1e-10, atol=1e-14)
    rows = loss.rows(roots)
    size = head.numel()
    torch.testing.assert_close(
        rows.T @ rows, torch.autograd.functional.hessian(value, head).reshape(size, size), rtol=1e-9, atol=1e-12
    )


def test_the_root_of_one_logit_is_the_scaled_features():
    task, data = made(BinaryNodeClassificationTask)
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    rows = loss.rows(loss.derivatives(head)[1]).numpy()
    x = np.c_[data.x.double(), np.ones(30)][data.train_mask]
    p = 1 / (1 + np.exp(-x @ head[0].numpy()))
    np.testing.assert_allclose(np.abs(rows), np.abs(np.sqrt(p * (1 - p) / len(x))[:, None] * x), rtol=1e-6)


def test_losses_along_a_line_are_those_at_its_points():
    task, data = made(NodeClassificationTask)
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    way = torch.randn(head.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([1.0, 0.5, 0.0])
    expected = [loss.loss(head + step * way) for step in steps.tolist()]
    np.testing.assert_allclose(loss.losses_along(head, way, steps).numpy(), expected, rtol=1e-12)


def test_the_mean_of_many_sketches_is_the_hessian():
    task, data = made(NodeClassificationTask)
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    roots = loss.derivatives(head)[1]
    hessian = loss.rows(roots).T @ loss.rows(roots)
    generator = torch.Generator().manual_seed(0)
    sketches = [loss.sketch(roots, 4, generator) for _ in range(4000)]
    assert sketches[0].shape == (4, 15)
    assert not sketches[0].equal(sketches[1])
    mean = sum(sketch.T @ sketch for sketch in sketches) / len(sketches)
    # The entries' variance is (h_ij^2 + h_ii h_jj) / k for one sketch; 5 standard deviations.
    spread = ((hessian.square() + torch.outer(hessian.diagonal(), hessian.diagonal())) / 4 / 4000).sqrt()
    assert bool(((mean - hessian).abs() <= 5 * spread + 1e-15).all())


@pytest.mark.parametrize("size", [15, 60, 100])
def test_a_sketch_as_large_as_the_root_is_exact(size):
    task, data = made(NodeClassificationTask)
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    roots = loss.derivatives(head)[1]
    rows, sketch = loss.rows(roots), loss.sketch(roots, size, torch.Generator())
    assert len(sketch) <= min(size, len(rows))
    torch.testing.assert_close(sketch.T @ sketch, rows.T @ rows, rtol=1e-10, atol=1e-13)


def test_no_training_nodes_make_zeros():
    task, data = made(NodeClassificationTask)
    data.train_mask[:] = False
    loss, head = HeadLoss(task, data), head_matrix(weights_of(task))
    gradient, roots = loss.derivatives(head)
    assert loss.loss(head) == 0.0
    assert not gradient.any()
    assert loss.rows(roots).shape == loss.sketch(roots, 4, torch.Generator()).shape == (0, 15)


def test_the_effective_dimension_is_a_trace():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 8))
    matrix = root.T @ root
    expected = np.trace(matrix @ np.linalg.inv(matrix + 0.2 * np.eye(8)))
    assert effective_dimension(torch.from_numpy(matrix), 0.2) == pytest.approx(expected)
    assert effective_dimension(torch.from_numpy(matrix), 1e-6) == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize("bias", [True, False])
def test_the_matrix_of_a_head_is_undone(bias):
    weights = {f"head.{name}": value for name, value in weights_of(nn.Linear(4, 3, bias=bias)).items()}
    matrix = head_matrix(weights)
    assert matrix.shape == (3, 4 + bias)
    assert matrix.dtype == torch.float64
    again = head_weights(matrix, weights)
    assert again.keys() == weights.keys()
    assert all(value.equal(weights[name]) for name, value in again.items())


class Concave(NodeClassificationTask):
    """Maximises what it should minimise."""

    def node_losses(self, model, batch, generator):
        return {name: -value for name, value in super().node_losses(model, batch, generator).items()}


def test_what_is_not_convex_is_refused():
    task, data = made(Concave)
    loss = HeadLoss(task, data)
    with pytest.raises(ValueError, match=r"task: expected a loss that is convex in .*, got a curvature of -0\."):
        loss.derivatives(head_matrix(weights_of(task)))


def test_tasks_without_a_linear_head_are_refused():
    with pytest.raises(
        TypeError, match=r"expected an encoder and a head that is a .*Linear, got a head that is Identity"
    ):
        linear_head(NodeClassificationTask(4, 3, model=GCN))
    with pytest.raises(TypeError, match="task: expected one whose loss is a mean over nodes, got ContrastiveTask"):
        linear_head(ContrastiveTask(4))
