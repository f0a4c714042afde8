import dataclasses

import pytest
import torch

from graphml.federated.privacy.attacks import deep_leakage, reconstruction_leakage


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_features_are_recovered_where_edges_are_known(victim):
    known = {"adjacency": victim.adjacency, "used": victim.data.x.any(dim=0)}
    found = deep_leakage(victim.observation(**known), generator(), steps=100)
    metrics = reconstruction_leakage("dlg", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["feature_cosine"] > 0.7


def test_edges_are_recovered_where_features_are_known(victim):
    found = deep_leakage(victim.observation(x=victim.data.x), generator(), steps=100, restarts=1)
    metrics = reconstruction_leakage("dlg", found, victim.data.x, victim.adjacency, ordered=True).metrics
    assert metrics["edge_auc"] > 0.9


def test_of_several_searches_the_nearest_counts(victim):
    draws = generator(4)
    alone = [deep_leakage(victim.observation(), draws, steps=10, restarts=1).distance for _ in range(3)]
    assert deep_leakage(victim.observation(), generator(4), steps=10, restarts=3).distance == min(alone)


def test_the_same_generator_finds_the_same(victim):
    first, again = (deep_leakage(victim.observation(), generator(2), steps=5) for _ in range(2))
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.adjacency, again.adjacency)
    state = torch.get_rng_state()
    deep_leakage(victim.observation(), generator(2), steps=1, restarts=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_step_and_no_gradient_are_errors(victim):
    with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
        deep_leakage(victim.observation(), generator(), steps=0)
    with pytest.raises(ValueError, match="restarts: expected at least 1, got 0"):
        deep_leakage(victim.observation(), generator(), restarts=0)
    nothing = {name: torch.zeros_like(value) for name, value in victim.gradient.items()}
    with pytest.raises(ValueError, match=r"gradient: expected one that is not zero"):
        deep_leakage(dataclasses.replace(victim.observation(), gradient=nothing), generator())
