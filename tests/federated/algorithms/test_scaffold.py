"""SCAFFOLD."""

import functools

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedOpt, Scaffold

WITH_DECAY = functools.partial(torch.optim.SGD, lr=0.1, weight_decay=0.5)
RATE_OF_A_GROUP = lambda parameters: torch.optim.SGD([{"params": list(parameters), "lr": 0.05}], lr=0.1)  # noqa: E731


def test_the_first_round_has_controls_of_zero_and_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 1)
    state = federate(Scaffold(), graphs(Scaffold(), norm=True), 1)
    assert all(torch.equal(state[name], plain[name]) for name in plain)


@pytest.mark.parametrize("optimizer", [functools.partial(torch.optim.SGD, lr=0.1), RATE_OF_A_GROUP])
def test_unlike_clients_with_many_steps_reach_the_optimum_and_fedavg_does_not(optimizer, quadratics, problem, federate):
    a, b = problem
    examples = np.array([10, 1, 5, 3])
    optimum = (examples[:, None] * a * b).sum(0) / (examples[:, None] * a).sum(0)
    distance = []
    for strategy in (FedAvg(), Scaffold()):
        clients = quadratics(strategy, a, b, examples.tolist(), steps=5, optimizer=optimizer)
        distance.append(np.abs(federate(strategy, clients, 60)["w"].numpy() - optimum).max())
    assert distance[0] > 0.05
    assert distance[1] < 1e-5


def test_unequal_numbers_of_steps_leave_the_optimum_where_it_is(quadratics, problem, federate):
    a, b = problem
    clients = quadratics(Scaffold(), a, b, steps=[2, 6, 3, 4])
    np.testing.assert_allclose(federate(Scaffold(), clients, 80)["w"].numpy(), (a * b).sum(0) / a.sum(0), atol=1e-4)


def test_weight_decay_is_part_of_the_loss(quadratics, problem, federate):
    a, b = problem
    clients = quadratics(Scaffold(), a, b, steps=5, optimizer=WITH_DECAY)
    optimum = (a * b).sum(0) / (a + 0.5).sum(0)
    np.testing.assert_allclose(federate(Scaffold(), clients, 60)["w"].numpy(), optimum, atol=1e-5)


def paper(a, b, rounds, drawn, steps, lr, server_lr):
    """Algorithm 1 with option II, line by line."""
    N, D = a.shape
    x, c, controls = np.zeros(D), np.zeros(D), np.zeros((N, D))
    for t in range(1, rounds + 1):
        S = drawn(t)
        dx, dc = np.zeros(D), np.zeros(D)
        for i in S:
            y = x.copy()
            for _ in range(steps):
                y = y - lr * (a[i] * (y - b[i]) - controls[i] + c)
            new = controls[i] - c + (x - y) / (steps * lr)
            dx, dc = dx + (y - x) / len(S), dc + (new - controls[i]) / len(S)
            controls[i] = new
        x, c = x + server_lr * dx, c + len(S) / N * dc
    return x, c, controls


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_with_equal_clients_it_is_the_papers_algorithm(fraction, quadratics, problem, federate):
    a, b = problem
    strategy = Scaffold(server_lr=0.8, client_fraction=fraction)
    clients = quadratics(strategy, a, b, steps=3)
    state = federate(strategy, clients, 7)
    x, c, controls = paper(a, b, 7, lambda t: strategy.sample(t, range(4), 0), 3, 0.1, 0.8)
    np.testing.assert_allclose(state["w"].numpy(), x, rtol=1e-10)
    np.testing.assert_allclose(strategy.mean("control")["w"].numpy(), c, rtol=1e-10)
    np.testing.assert_allclose([client.memory["control/w"].numpy() for client in clients], controls, rtol=1e-10)


def test_with_few_clients_a_round_it_still_reaches_the_optimum(quadratics, problem, federate):
    a, b = problem
    strategy = Scaffold(client_fraction=0.5)
    state = federate(strategy, quadratics(strategy, a, b, steps=3), 200)
    np.testing.assert_allclose(state["w"].numpy(), (a * b).sum(0) / a.sum(0), atol=1e-5)


def test_the_servers_control_is_the_mean_of_the_clients(quadratics, problem, federate):
    a, b = problem
    examples = np.array([10, 1, 5, 3])
    strategy = Scaffold(client_fraction=0.5)
    clients = quadratics(strategy, a, b, examples.tolist(), steps=3)
    federate(strategy, clients, 12)
    assert not strategy.memory["examples"].isnan().any()
    controls = np.stack([client.memory["control/w"].numpy() for client in clients])
    mean = (examples[:, None] * controls).sum(0) / examples.sum()
    np.testing.assert_allclose(strategy.mean("control")["w"].numpy(), mean, rtol=1e-10)


def test_controls_are_of_parameters_alone_and_travel_both_ways(graphs, federate, recording):
    federate(Scaffold(), graphs(Scaffold(), norm=True), 2, engine=recording)
    fits = [(request, reply) for call, _, request, reply in recording.seen if call == "fit"]
    for request, reply in fits:
        controls = {name for name in request.arrays if name.startswith("control/")}
        assert controls == {name for name in reply.arrays if name.startswith("control/")}
        assert "control/head.weight" in controls
        assert not any("running" in name or "num_batches" in name for name in controls)


def test_a_client_without_training_data_changes_nothing(quadratics, problem, federate):
    a, b = problem
    few = federate(Scaffold(), quadratics(Scaffold(), a[:3], b[:3], [2, 3, 4], steps=3), 5)
    strategy = Scaffold()
    more = federate(strategy, quadratics(strategy, a, b, [2, 3, 4, 0], steps=[3, 3, 3, 0]), 5)
    torch.testing.assert_close(more, few, rtol=1e-12, atol=0)
    assert float(strategy.memory["examples"][3]) == 0


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9), r"without momentum, got momentum 0\.9"),
        (functools.partial(torch.optim.SGD, lr=0.1, maximize=True), "without maximize, got True"),
        (torch.optim.Adam, r"expected torch\.optim\.SGD, got Adam"),
        (None, r"expected torch\.optim\.SGD, got Adam"),
    ],
)
def test_optimizers_whose_steps_are_no_gradients_are_refused(optimizer, told, quadratics, problem):
    with pytest.raises(ValueError, match=f"local.optimizer: expected .*{told.removeprefix('expected ')}"):
        quadratics(Scaffold(), *problem, optimizer=optimizer)


def test_a_wrong_step_is_refused():
    assert isinstance(Scaffold(), FedOpt)
    with pytest.raises(ValueError, match="server_lr: expected a finite number above 0, got 0"):
        Scaffold(server_lr=0.0)
