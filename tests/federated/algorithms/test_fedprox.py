"""FedProx."""

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedProx


def test_without_the_term_it_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg()), 3)
    prox = federate(FedProx(0.0), graphs(FedProx(0.0)), 3)
    assert all(torch.equal(prox[name], plain[name]) for name in plain)


def test_local_steps_are_those_of_the_proximal_objective(quadratics, problem, federate):
    a, b = problem
    mu, lr, w = 0.7, 0.1, np.zeros(3)
    for _ in range(2):
        ends = []
        for i in range(4):
            local = w.copy()
            for _ in range(5):
                local = local - lr * (a[i] * (local - b[i]) + mu * (local - w))
            ends.append(local)
        w = np.mean(ends, axis=0)
    state = federate(FedProx(mu), quadratics(FedProx(mu), a, b, steps=5), 2)
    np.testing.assert_allclose(state["w"].numpy(), w, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.0, 1.0, 3.0])
def test_it_settles_where_algebra_says(mu, quadratics, problem, federate):
    a, b = problem
    # After K steps a client is (1 - r^K) of the way from w to (a b + mu w) / (a + mu).
    share = (1 - (1 - 0.1 * (a + mu)) ** 4) * a / (a + mu)
    strategy = FedProx(mu)
    state = federate(strategy, quadratics(strategy, a, b, steps=4), 60)
    np.testing.assert_allclose(state["w"].numpy(), (share * b).sum(0) / share.sum(0), rtol=1e-5)


@pytest.mark.parametrize("mu", [-0.1, float("nan"), float("inf")])
def test_a_wrong_mu_is_refused(mu):
    with pytest.raises(ValueError, match=r"mu: expected a finite number of at least 0, got"):
        FedProx(mu)
