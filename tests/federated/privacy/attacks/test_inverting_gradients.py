import dataclasses

import pytest
import torch

from graphml.federated.privacy.attacks import Prior, invert_gradient, reconstruction_leakage


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_features_are_recovered_where_edges_are_known(victim):
    found = invert_gradient(victim.observation(adjacency=victim.adjacency), generator(), steps=400)
    metrics = reconstruction_leakage("ig", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["distance"] < 0.01
    assert metrics["feature_cosine"] > 0.9


def test_edges_are_recovered_where_features_are_known(victim):
    found = invert_gradient(victim.observation(x=victim.data.x), generator(), steps=200)
    metrics = reconstruction_leakage("ig", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["edge_auc"] > 0.9


def test_atoms_of_a_whole_graph_are_recovered(graph_victim):
    known = {"adjacency": graph_victim.adjacency, "bounds": (0.0, 1.0)}
    found = invert_gradient(graph_victim.observation(**known), generator(), steps=400)
    assert found.x.min() >= 0
    assert found.x.max() <= 1
    metrics = reconstruction_leakage("ig", found, graph_victim.data.x, graph_victim.adjacency, ordered=True).metrics
    assert metrics["feature_nmse"] < 0.5


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
