import dataclasses

import pytest
import torch
from torch.autograd.functional import jacobian

from graphml.federated.privacy.attacks.gradient_inversion import GradientMatch, Guess


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_clients_own_graph_has_the_observed_gradient(victim, graph_victim):
    for client in (victim, graph_victim):
        match = GradientMatch(client.observation())
        gradient = match.gradient(client.data.x.double(), client.adjacency)
        torch.testing.assert_close(gradient, match.observed, atol=1e-5, rtol=1e-3)


def test_the_inversions_gradient_is_that_of_finite_differences(victim):
    match = GradientMatch(victim.observation())
    x = victim.data.x.double()
    step = 1e-6 * torch.randn(x.shape, generator=generator(), dtype=torch.float64)
    slope = jacobian(lambda value: match.gradient(value, victim.adjacency).square().sum(), x)
    gap = [match.gradient(x + sign * step, victim.adjacency).square().sum() for sign in (1, -1)]
    torch.testing.assert_close((slope * step).sum(), (gap[0] - gap[1]) / 2, atol=0, rtol=1e-5)


def test_a_guess_is_a_graph_and_keeps_what_is_known(victim):
    used = victim.data.x.any(dim=0)
    free = Guess(victim.observation(used=used, bounds=(0.0, 2.0)), generator())
    assert (free.x()[:, ~used] == 0).all()
    assert 0 <= free.x().min() < free.x().max() <= 2
    adjacency = free.adjacency()
    assert torch.equal(adjacency, adjacency.T)
    assert torch.equal(adjacency, 0.5 * (1 - torch.eye(5, dtype=torch.float64)))
    assert len(free.unknowns) == 2
    with_x, with_edges = (Guess(victim.observation(**known), generator()) for known in known_parts(victim))
    assert torch.equal(with_x.x(), victim.data.x.double())
    assert torch.equal(with_edges.adjacency(), victim.adjacency)
    assert [tuple(unknown.shape) for unknown in with_x.unknowns] == [(10,)]
    assert [tuple(unknown.shape) for unknown in with_edges.unknowns] == [(5, 30)]


def known_parts(victim):
    return {"x": victim.data.x}, {"adjacency": victim.adjacency}


def test_features_are_projected_into_their_bounds(victim):
    guess = Guess(victim.observation(bounds=(0.0, 1.0)), generator())
    with torch.no_grad():
        guess.features.add_(0.7)
    guess.project()
    assert guess.x().max() == 1
    free = Guess(victim.observation(), generator())
    before = free.x().clone()
    free.project()
    assert torch.equal(free.x(), before)


def test_wrong_observations_are_errors(victim):
    with pytest.raises(ValueError, match="adjacency: expected None where x is known, got both"):
        victim.observation(x=victim.data.x, adjacency=victim.adjacency)
    with pytest.raises(ValueError, match=r"x: expected the shape \[5, 30\], got \[4, 30\]"):
        victim.observation(x=victim.data.x[1:])
    with pytest.raises(ValueError, match=r"adjacency: expected the shape \[5, 5\], got \[2, 2\]"):
        victim.observation(adjacency=torch.zeros(2, 2))
    with pytest.raises(ValueError, match="gradient: expected names of the weights, got other"):
        dataclasses.replace(victim.observation(), gradient={"other": torch.zeros(1)})
