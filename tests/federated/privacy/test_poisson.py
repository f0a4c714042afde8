"""Clients drawn independently."""

import numpy as np
import pytest

from graphml.federated import FedAvg, UplinkStage
from graphml.federated.privacy.poisson import PoissonUplink

CLIENTS = range(40)


def draws(share, rounds=400, seed=0):
    strategy = PoissonUplink(FedAvg(share), [UplinkStage()])
    return [strategy.sample(number, CLIENTS, seed) for number in range(1, rounds + 1)]


def test_each_client_takes_part_with_the_probability_by_itself():
    drawn = np.array([[client in chosen for client in CLIENTS] for chosen in draws(0.3)])
    assert drawn.mean() == pytest.approx(0.3, abs=0.02)
    assert drawn.sum(1).var() == pytest.approx(40 * 0.3 * 0.7, rel=0.25)  # binomial: a fixed number would have none
    correlation = np.corrcoef(drawn.T) - np.eye(40)
    assert abs(correlation).max() < 0.25


def test_draws_depend_on_seed_and_round():
    assert draws(0.3, 5) == draws(0.3, 5)
    assert draws(0.3, 5) != draws(0.3, 5, seed=1)
    assert all(chosen == list(CLIENTS) for chosen in draws(1.0, 3))


def test_somebody_is_always_drawn():
    assert {len(chosen) for chosen in draws(1e-9, 20)} == {1}
