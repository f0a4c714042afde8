import dataclasses

import pytest
import torch
import torch.nn.functional as F

from graphml.federated.privacy.attacks import (
    Observation,
    Prior,
    dense_adjacency,
    invert_gradient,
    reconstruction_leakage,
)
from graphml.federated.privacy.attacks.dense import normalized


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_features_are_recovered_where_edges_are_known(victim):
    known = {"adjacency": victim.adjacency, "used": victim.data.x.any(dim=0), "bounds": (0.0, 1.0)}
    found = invert_gradient(victim.observation(**known), generator(), steps=300)
    metrics = reconstruction_leakage("ig", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["feature_cosine"] > 0.9


def test_edges_are_recovered_where_features_are_known(victim):
    found = invert_gradient(victim.observation(x=victim.data.x), generator(), steps=150)
    metrics = reconstruction_leakage("ig", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["edge_auc"] > 0.9


def test_more_is_found_than_by_a_guess(victim):
    known = {"used": victim.data.x.any(dim=0), "bounds": (0.0, 1.0)}
    found = [invert_gradient(victim.observation(**known), generator(), steps=steps) for steps in (1, 300)]
    before, after = (reconstruction_leakage("ig", f, victim.data.x, victim.adjacency, False).metrics for f in found)
    assert after["distance"] < before["distance"] / 5
    assert after["feature_nmse"] < before["feature_nmse"] / 2


def test_a_whole_graph_is_found_through_a_forward_pass_of_ones_own(documents):
    rng = generator()
    shapes = {"first": (30, 64), "second": (64, 3)}
    weights = {name: torch.randn(shape, generator=rng) / shape[0] ** 0.5 for name, shape in shapes.items()}
    adjacency = dense_adjacency(documents.edge_index, 5)

    def pooled(weights, x, adjacency):
        hidden = torch.relu(normalized(adjacency, self_loops=True) @ x @ weights["first"])
        return hidden.mean(0, keepdim=True) @ weights["second"]

    label = torch.tensor([2])
    for value in weights.values():
        value.requires_grad_()
    loss = F.cross_entropy(pooled(weights, documents.x, adjacency.float()), label)
    gradient = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    observation = Observation(pooled, weights, gradient, label, 5, 30, x=documents.x)
    found = invert_gradient(observation, generator(), steps=150)
    assert reconstruction_leakage("ig", found, documents.x, adjacency, ordered=True).metrics["edge_auc"] > 0.9


def test_the_penalty_is_the_trace_and_the_number_of_edges():
    rng = generator()
    x = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    half = torch.rand(5, 5, generator=rng, dtype=torch.float64).triu(1)
    adjacency = half + half.T
    whole = adjacency + torch.eye(5, dtype=torch.float64)
    root = whole.sum(1).rsqrt().diag()
    laplacian = torch.eye(5, dtype=torch.float64) - root @ whole @ root
    expected = 0.3 * torch.trace(x.T @ laplacian @ x) / 15 + 0.7 * adjacency.sum() / 25
    torch.testing.assert_close(Prior(0.3, 0.7).penalty(x, adjacency), expected)


def test_the_same_generator_finds_the_same(victim):
    first, again = (invert_gradient(victim.observation(), generator(2), steps=5) for _ in range(2))
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.adjacency, again.adjacency)


def test_numbers_out_of_range_and_no_gradient_are_errors(victim):
    for wrong in ({"steps": 0}, {"lr": 0.0}, {"restarts": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
            invert_gradient(victim.observation(), generator(), **wrong)
    with pytest.raises(ValueError, match="sparsity: expected at least 0, got -1"):
        Prior(sparsity=-1)
    nothing = {name: torch.zeros_like(value) for name, value in victim.gradient.items()}
    with pytest.raises(ValueError, match=r"gradient: expected one that is not zero"):
        invert_gradient(dataclasses.replace(victim.observation(), gradient=nothing), generator())
