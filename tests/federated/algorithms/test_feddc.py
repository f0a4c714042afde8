"""FedDC."""

import functools

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedDC


def test_the_first_round_goes_twice_as_far_as_fedavg(quadratics, problem, federate):
    # theta_i + h_i with h_i = theta_i - w
    a, b = problem
    plain = federate(FedAvg(), quadratics(FedAvg(), a, b, [4, 1, 2, 1], steps=3), 1)
    state = federate(FedDC(0.0), quadratics(FedDC(0.0), a, b, [4, 1, 2, 1], steps=3), 1)
    torch.testing.assert_close(state["w"], 2 * plain["w"], rtol=1e-12, atol=0)  # from w = 0


def authors(a, b, rounds, drawn, steps, lr, alpha):
    """The authors' program (utils_methods_FedDC.py) for clients of equal size."""
    N, D = a.shape
    cloud, drifts, local, overall = np.zeros(D), np.zeros((N, D)), np.zeros((N, D)), np.zeros(D)
    for t in range(1, rounds + 1):
        S, ends, change = drawn(t), [], np.zeros(D)
        for i in S:
            theta = cloud.copy()
            for _ in range(steps):
                penalty = alpha * (theta - (cloud - drifts[i]))
                theta = theta - lr * (a[i] * (theta - b[i]) + penalty - local[i] + overall)
            moved = theta - cloud
            drifts[i] += moved
            state = local[i] - overall - moved / (steps * lr)
            change += state - local[i]
            local[i] = state
            ends.append(theta)
        overall = overall + change / N
        cloud = np.mean(ends, axis=0) + drifts.mean(0)
    return cloud, drifts


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_it_is_the_authors_algorithm(fraction, quadratics, problem, federate):
    a, b = problem
    strategy = FedDC(alpha=0.3, client_fraction=fraction)
    clients = quadratics(strategy, a, b, steps=3)
    state = federate(strategy, clients, 6)
    w, drifts = authors(a, b, 6, lambda t: strategy.sample(t, range(4), 0), 3, 0.1, 0.3)
    np.testing.assert_allclose(state["w"].numpy(), w, rtol=1e-9)
    np.testing.assert_allclose([client.memory["drift/w"].numpy() for client in clients], drifts, rtol=1e-9)


def test_unlike_clients_with_many_steps_reach_the_optimum(quadratics, problem, federate):
    a, b = problem
    examples = np.array([10, 1, 5, 3])
    optimum = (examples[:, None] * a * b).sum(0) / (examples[:, None] * a).sum(0)
    small = functools.partial(torch.optim.SGD, lr=0.05)
    clients = quadratics(FedDC(0.1), a, b, examples.tolist(), steps=3, optimizer=small)
    np.testing.assert_allclose(federate(FedDC(0.1), clients, 150)["w"].numpy(), optimum, atol=1e-4)


def test_drift_is_remembered_and_not_sent(graphs, federate, recording):
    strategy = FedDC()
    clients = graphs(strategy, norm=True)
    federate(strategy, clients, 2, engine=recording)
    messages = [message for seen in recording.seen for message in seen[2:]]
    assert not any(name.startswith("drift") for message in messages for name in message.arrays)
    assert all("drift/head.weight" in client.memory for client in clients)
    assert not any("running" in name for client in clients for name in client.memory)
    requests = [request for call, _, request, _ in recording.seen if call == "fit"]
    assert all(request.config["alpha"] == 0.01 for request in requests)


def test_the_server_knows_the_mean_drift(quadratics, problem, federate):
    strategy = FedDC(0.2, client_fraction=0.5)
    clients = quadratics(strategy, *problem, examples=[1, 2, 3, 4], steps=3)
    federate(strategy, clients, 9)
    drifts = torch.stack([client.memory["drift/w"] for client in clients])
    mean = (torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)[:, None] * drifts).sum(0) / 10
    torch.testing.assert_close(strategy.mean("drift")["w"], mean, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf")])
def test_a_wrong_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match=f"alpha: expected a finite number of at least 0, got {alpha}"):
        FedDC(alpha)
