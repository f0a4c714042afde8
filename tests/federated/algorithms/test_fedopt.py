"""FedOpt: SGD, Adagrad, Adam and Yogi at the server; oracles are numpy and torch's own optimizers."""

import numpy as np
import pytest
import torch

from graphml.federated import FedAdagrad, FedAdam, FedAvg, FedAvgM, FedOpt, FedYogi
from graphml.federated.algorithms.fedopt import AdaptiveFedOpt


def mean_change(a, b, w):
    """Mean change of the clients in one step of 0.1 each."""
    return (-0.1 * a * (w - b)).mean(0)


def test_sgd_with_a_step_of_one_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 3)
    sgd = federate(FedOpt(1.0), graphs(FedOpt(1.0), norm=True), 3)
    assert all(torch.equal(sgd[name], plain[name]) for name in plain)


def test_sgd_goes_a_share_of_the_way(quadratics, problem, federate):
    a, b = problem
    w = np.zeros(3)
    for _ in range(3):
        w = w + 0.3 * mean_change(a, b, w)
    strategy = FedOpt(0.3)
    np.testing.assert_allclose(federate(strategy, quadratics(strategy, a, b), 3)["w"].numpy(), w, rtol=1e-12)


@pytest.mark.parametrize("kind", [FedAdagrad, FedAdam, FedYogi])
def test_adaptive_steps_follow_the_paper(kind, quadratics, problem, federate):
    a, b = problem
    beta1, beta2, tau, eta = 0.8, 0.95, 1e-2, 0.3
    options = {} if kind is FedAdagrad else {"beta2": beta2}
    w, m, v = np.zeros(3), np.zeros(3), np.full(3, tau**2)
    for _ in range(6):
        delta = mean_change(a, b, w)
        m = beta1 * m + (1 - beta1) * delta
        if kind is FedAdagrad:
            v = v + delta**2
        elif kind is FedAdam:
            v = beta2 * v + (1 - beta2) * delta**2
        else:
            v = v - (1 - beta2) * delta**2 * np.sign(v - delta**2)
        w = w + eta * m / (np.sqrt(v) + tau)
    strategy = kind(server_lr=eta, beta1=beta1, tau=tau, **options)
    state = federate(strategy, quadratics(strategy, a, b), 6)
    np.testing.assert_allclose(state["w"].numpy(), w, rtol=1e-10)
    np.testing.assert_allclose(strategy.memory["m/w"].numpy(), m, rtol=1e-10)
    np.testing.assert_allclose(strategy.memory["v/w"].numpy(), v, rtol=1e-10)


def test_adagrad_is_that_of_torch_on_the_mean_change(quadratics, problem, federate):
    a, b = problem
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adagrad([w], lr=0.2, initial_accumulator_value=1e-4, eps=1e-2)
    for _ in range(5):
        w.grad = -torch.from_numpy(mean_change(a, b, w.detach().numpy()))
        optimizer.step()
    strategy = FedAdagrad(server_lr=0.2, tau=1e-2)
    state = federate(strategy, quadratics(strategy, a, b), 5)
    torch.testing.assert_close(state["w"], w.detach(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("kind", [FedAdagrad, FedAdam, FedYogi])
def test_adaptive_servers_reach_the_optimum(kind, quadratics, problem, federate):
    a, b = problem
    strategy = kind(server_lr=0.1)
    state = federate(strategy, quadratics(strategy, a, b), 150)
    np.testing.assert_allclose(state["w"].numpy(), (a * b).sum(0) / a.sum(0), atol=5e-2)


@pytest.mark.parametrize("strategy", [FedOpt(0.1), FedAdam(), FedYogi(), FedAdagrad(), FedAvgM(0.1)])
def test_buffers_are_averaged_and_counters_kept(strategy, graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 1)
    state = federate(strategy, graphs(strategy, norm=True), 1)
    buffers = [name for name in plain if "running" in name or "num_batches" in name]
    assert {name.rpartition(".")[2] for name in buffers} == {"running_mean", "running_var", "num_batches_tracked"}
    assert all(torch.equal(state[name], plain[name]) for name in buffers)
    assert not torch.equal(state["head.weight"], plain["head.weight"])
    assert not any(name.partition("/")[2] in buffers for name in strategy.memory)


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        (FedOpt, {"server_lr": 0.0}, "server_lr"),
        (FedOpt, {"server_lr": float("nan")}, "server_lr"),
        (FedOpt, {"client_fraction": 0.0}, "client_fraction"),
        (FedAdam, {"server_lr": -1.0}, "server_lr"),
        (FedAdam, {"beta1": 1.0}, "beta1"),
        (FedAdam, {"beta2": -0.1}, "beta2"),
        (FedYogi, {"beta2": 1.0}, "beta2"),
        (FedYogi, {"tau": 0.0}, "tau"),
        (FedAdagrad, {"beta1": float("nan")}, "beta1"),
        (FedAdagrad, {"tau": float("inf")}, "tau"),
    ],
)
def test_wrong_arguments_are_refused(kind, options, name):
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {next(iter(options.values()))}"):
        kind(**options)


def test_the_base_of_adaptive_servers_has_no_step_of_its_own():
    with pytest.raises(TypeError, match="second_moment"):
        AdaptiveFedOpt(0.1, 0.9, 1e-3, 1.0)
