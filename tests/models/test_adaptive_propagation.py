"""Adaptive propagation against dense numpy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.metrics.pairwise import cosine_similarity

from graphml.models.adaptive_propagation import AdaptivePropagation, adaptive_inputs, class_similarity

EDGES = torch.tensor([[0, 1, 1, 2, 3, 4, 0], [1, 0, 2, 1, 4, 3, 0]])  # two paths and a self-loop


@pytest.fixture
def x() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))


@pytest.fixture
def probabilities() -> torch.Tensor:
    """Nodes 0 and 3 are alike, and so are 2 and 4."""
    return torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.9, 0.1], [0.2, 0.8]])


def mlp(model, x: np.ndarray) -> np.ndarray:
    """A network of two layers without dropout."""
    (a, b), (c, d) = ((lin.weight.detach().numpy(), lin.bias.detach().numpy()) for lin in model.lins)
    return np.maximum(x @ a.T + b, 0) @ c.T + d


def test_similarity_is_the_cosine_without_the_diagonal(probabilities):
    expected = cosine_similarity(probabilities.numpy())
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(class_similarity(probabilities).numpy(), expected, atol=1e-6)


def test_features_go_along_edges_and_between_nodes_that_are_alike(x, probabilities):
    inputs = adaptive_inputs(x, EDGES, probabilities, alpha=0.3, num_hops=2)
    mixed = np.eye(5)
    for i, j in ((0, 1), (1, 2), (3, 4)):
        mixed[i, j] = mixed[j, i] = 0.3
    for i, j in ((0, 3), (2, 4)):
        mixed[i, j] = mixed[j, i] = 0.7
    root = np.diag(mixed.sum(1) ** -0.5)
    step = root @ mixed @ root
    expected = np.hstack([x.numpy(), step @ x.numpy(), step @ step @ x.numpy()])
    np.testing.assert_allclose(inputs.smoothed.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert inputs.alike.nonzero().tolist() == [[0, 3], [2, 4], [3, 0], [4, 2]]


def test_heads_prediction_and_loss_are_those_of_the_formulas(x, probabilities):
    torch.manual_seed(0)
    model = AdaptivePropagation(3, 2, hidden_channels=4, num_hops=1, beta=0.4).eval()
    inputs = adaptive_inputs(x, EDGES, probabilities, alpha=0.5, num_hops=1)
    smoothed, given = inputs.smoothed.numpy(), probabilities.numpy()
    h = mlp(model.message, smoothed)
    similar = cosine_similarity(softmax(h, axis=1))
    np.fill_diagonal(similar, 0)
    q = 0.4 * inputs.alike.numpy() + 0.6 * similar
    q = q - q.mean()
    np.fill_diagonal(q, 0)
    positive, negative = np.maximum(q, 0), np.maximum(-q, 0)
    means = [part / np.maximum(part.sum(1, keepdims=True), 1e-12) for part in (positive, negative)]
    heads = np.stack([
        mlp(model.homophilous, smoothed),
        mlp(model.smooth, smoothed),
        mlp(model.own, x.numpy()),
        h + means[0] @ h - means[1] @ h,
    ])  # fmt: skip
    np.testing.assert_allclose(model(inputs).detach().numpy(), heads, rtol=1e-4, atol=1e-5)

    shares = softmax(heads, axis=2)
    expected = 0.3 * (shares[0] + given) / 2 + 0.7 * shares[1:].mean(0)
    found = model.predict(inputs, 0.3).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)

    y, mask = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([True, False, True, False, True])
    rows = np.array([0, 2, 4])
    entropy = -log_softmax(heads, axis=2)[:, rows, y.numpy()[rows]].mean(1).sum()
    distance = np.square(shares[0] - given).mean()
    assert model.loss(inputs, y, mask).item() == pytest.approx(entropy + distance, rel=1e-4)


def test_a_single_node_is_enough(x):
    model = AdaptivePropagation(3, 2, num_hops=0).eval()
    inputs = adaptive_inputs(x[:1], torch.empty(2, 0, dtype=torch.int64), torch.tensor([[0.5, 0.5]]), 0.5, 0)
    assert model.predict(inputs, 0.5).sum().item() == pytest.approx(1)
