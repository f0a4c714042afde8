import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from graphml.federated.privacy.attacks import Reconstruction, match_nodes, reconstruction_leakage

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
EDGES = torch.zeros(5, 5).index_put((torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1])), torch.tensor(1.0))


def test_the_matching_is_the_best_of_all_orders():
    found = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    costs = {order: float((found[list(order)] - X).square().sum()) for order in itertools.permutations(range(5))}
    assert tuple(match_nodes(found, X).tolist()) == min(costs, key=costs.get)


def test_a_reordered_truth_is_a_perfect_reconstruction():
    order = torch.tensor([3, 0, 4, 1, 2])
    found = Reconstruction(X[order].double(), EDGES[order][:, order].double(), 0.5)
    metrics = reconstruction_leakage("dlg", found, X, EDGES, ordered=False).metrics
    assert metrics["feature_mse"] == pytest.approx(0)
    assert metrics["feature_cosine"] == pytest.approx(1)
    assert metrics["edge_auc"] == 1
    assert metrics["distance"] == 0.5
    assert reconstruction_leakage("dlg", found, X, EDGES, ordered=True).metrics["feature_mse"] > 0.1


def test_figures_are_those_of_numpy_and_scikit_learn():
    generator = torch.Generator().manual_seed(2)
    half = torch.rand(5, 5, generator=generator, dtype=torch.float64).triu(1)
    found = Reconstruction(torch.randn(5, 3, generator=generator, dtype=torch.float64), half + half.T, 0.0)
    metrics = reconstruction_leakage("dlg", found, X, EDGES, ordered=True).metrics
    a, b = found.x.numpy(), X.double().numpy()
    assert metrics["feature_mse"] == pytest.approx(((a - b) ** 2).mean())
    assert metrics["feature_nmse"] == pytest.approx(((a - b) ** 2).sum() / (b**2).sum())
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert metrics["feature_cosine"] == pytest.approx(cosine.mean())
    upper = np.triu_indices(5, 1)
    assert metrics["edge_auc"] == pytest.approx(roc_auc_score(EDGES.numpy()[upper], half.numpy()[upper]))


def test_without_both_kinds_of_pairs_there_is_no_edge_auc():
    found = Reconstruction(X.double(), EDGES.double(), 0.0)
    assert math.isnan(reconstruction_leakage("dlg", found, X, torch.zeros(5, 5), ordered=True).metrics["edge_auc"])


def test_other_shapes_are_an_error():
    found = Reconstruction(X.double(), EDGES.double(), 0.0)
    with pytest.raises(ValueError, match=r"x: expected the shape \[5, 3\] of the reconstruction, got \[4, 3\]"):
        reconstruction_leakage("dlg", found, X[1:], EDGES, ordered=True)
