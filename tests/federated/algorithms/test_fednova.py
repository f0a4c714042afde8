"""FedNova."""

import functools

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedNova, Message
from graphml.federated.algorithms.fednova import effective_steps


def test_with_equal_steps_it_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 3)
    state = federate(FedNova(), graphs(FedNova(), norm=True), 3)
    assert all(torch.equal(state[name], plain[name]) for name in plain)


def test_it_is_the_papers_average(quadratics, problem, federate):
    a, b = problem
    examples, steps = np.array([10, 1, 5, 3]), np.array([1, 6, 3, 2])
    p, w = examples / examples.sum(), np.zeros(3)
    for _ in range(4):
        ends = []
        for i in range(4):
            local = w.copy()
            for _ in range(steps[i]):
                local = local - 0.1 * a[i] * (local - b[i])
            ends.append(local)
        direction = sum(p[i] * (ends[i] - w) / steps[i] for i in range(4))
        w = w + (p * steps).sum() * direction
    clients = quadratics(FedNova(), a, b, examples.tolist(), steps.tolist())
    np.testing.assert_allclose(federate(FedNova(), clients, 4)["w"].numpy(), w, rtol=1e-10)


def test_a_client_with_more_steps_pulls_no_harder(quadratics, federate):
    a, b = np.ones((2, 1)), np.array([[1.0], [-1.0]])  # optimum 0; counted by steps it is 0.6
    small = functools.partial(torch.optim.SGD, lr=0.01)
    ends = [
        float(federate(kind(), quadratics(kind(), a, b, steps=[8, 2], optimizer=small), 150)["w"])
        for kind in (FedAvg, FedNova)
    ]
    assert ends[0] == pytest.approx(0.6, abs=0.03)
    assert ends[1] == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_effective_steps_are_the_way_on_a_constant_slope(steps, momentum):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0, momentum=momentum)
    for _ in range(steps):
        w.grad = -torch.ones_like(w)
        optimizer.step()
    assert effective_steps(steps, momentum) == pytest.approx(w.item())


def test_momentum_is_counted(quadratics, problem, federate):
    momentum = functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9)
    a, b = np.ones((2, 1)), np.array([[1.0], [-1.0]])
    clients = quadratics(FedNova(), a, b, steps=[4, 2], optimizer=momentum)
    reply = clients[0].fit(Message({"w": torch.zeros(1, dtype=torch.float64)}, config={"round": 1}))
    assert reply.metrics["effective_steps"] == pytest.approx(1 + 1.9 + 2.71 + 3.439)
    assert abs(float(federate(FedNova(), clients, 80)["w"])) < 0.05


def test_clients_without_training_data_are_left_out(quadratics, problem, federate):
    a, b = problem
    few = federate(FedNova(), quadratics(FedNova(), a[:3], b[:3], [2, 3, 4], [3, 1, 2]), 3)
    more = federate(FedNova(), quadratics(FedNova(), a, b, [2, 3, 4, 0], [3, 1, 2, 0]), 3)
    torch.testing.assert_close(more, few, rtol=1e-12, atol=0)
    nobody = federate(FedNova(), quadratics(FedNova(), a, b, [0] * 4, 0), 2)
    assert torch.equal(nobody["w"], torch.zeros(3, dtype=torch.float64))


def test_answers_without_a_number_of_steps_are_not_used():
    strategy = FedNova()
    strategy.initialize({"w": torch.zeros(1)}, 1)
    answer = Message({"w": torch.zeros(1)}, {"num_examples": 1})
    assert strategy.check(1, answer) == "sent effective_steps None, expected at least 0"
    assert strategy.check(1, Message(answer.arrays, answer.metrics | {"effective_steps": 2})) is None
    assert "lacks w" in str(strategy.check(1, Message({}, answer.metrics)))


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (torch.optim.Adam, r"torch\.optim\.SGD, got Adam"),
        (
            functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
            r"torch\.optim\.SGD without nesterov, got True",
        ),
        (
            functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5),
            r"torch\.optim\.SGD without dampening, got 0\.5",
        ),
    ],
)
def test_optimizers_whose_steps_it_cannot_count_are_refused(optimizer, told, quadratics, problem):
    with pytest.raises(ValueError, match=f"local.optimizer: expected {told}"):
        quadratics(FedNova(), *problem, optimizer=optimizer)


def test_momenta_of_their_own_for_some_parameters_are_refused(graphs):
    def optimizer(parameters):
        first, *rest = parameters
        return torch.optim.SGD([{"params": [first], "momentum": 0.5}, {"params": rest}], lr=0.1)

    with pytest.raises(ValueError, match=r"one momentum for all parameters, got \[0, 0\.5\]"):
        graphs(FedNova(), optimizer=optimizer)
