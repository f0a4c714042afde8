"""Ditto."""

import numpy as np
import pytest
import torch

from graphml.federated import Ditto, FedAvg, Local, Message


def test_the_global_model_is_that_of_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=True), 3)
    strategy = Ditto(0.5)
    state = federate(strategy, graphs(strategy, norm=True), 3)
    assert state.keys() == plain.keys()
    assert all(torch.equal(state[name], plain[name]) for name in plain)


@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0])
def test_personal_models_minimise_their_own_loss_and_the_distance(strength, quadratics, problem, federate):
    a, b = problem
    strategy = Ditto(strength)
    clients = quadratics(strategy, a, b, steps=4)
    w = federate(strategy, clients, 60)["w"].numpy()
    personal = np.stack([client.memory["personal/w"].numpy() for client in clients])
    np.testing.assert_allclose(personal, (a * b + strength * w) / (a + strength), atol=1e-4)


def test_personal_steps_start_where_the_last_ended(quadratics, problem, federate):
    a, b = problem
    strategy = Ditto(0.7)
    clients = quadratics(strategy, a, b, steps=2)
    w, v = np.zeros(3), np.zeros((4, 3))
    for _ in range(3):
        ends = np.repeat(w[None], 4, 0)
        for _ in range(2):
            ends = ends - 0.1 * a * (ends - b)
            v = v - 0.1 * (a * (v - b) + 0.7 * (v - w))
        w = ends.mean(0)
    federate(strategy, clients, 3)
    np.testing.assert_allclose(np.stack([client.memory["personal/w"].numpy() for client in clients]), v, rtol=1e-10)


def test_the_personal_model_is_evaluated_and_never_sent(graphs, federate, recording):
    strategy = Ditto(0.1)
    clients = graphs(strategy)
    federate(strategy, clients, 2, engine=recording)
    messages = [message for seen in recording.seen for message in seen[2:]]
    assert not any(name.startswith("personal") for message in messages for name in message.arrays)
    evaluated = clients[0].evaluated(Message(strategy.state, config={"round": 2}))
    assert torch.equal(evaluated["encoder.lins.0.weight"], clients[0].memory["personal/encoder.lins.0.weight"])
    assert not torch.equal(evaluated["encoder.lins.0.weight"], strategy.state["encoder.lins.0.weight"])


def test_without_a_pull_a_personal_model_is_local_training(quadratics, problem, federate):
    local, ditto = quadratics(Local(), *problem, steps=3), quadratics(Ditto(0.0), *problem, steps=3)
    federate(Local(), local, 4)
    federate(Ditto(0.0), ditto, 4)
    for one, other in zip(local, ditto, strict=True):
        assert torch.equal(one.memory["w"], other.memory["personal/w"])


def test_a_client_that_never_trained_has_the_global_model(graphs, federate):
    strategy = Ditto(client_fraction=0.4)  # one of three
    clients = graphs(strategy)
    federate(strategy, clients, 1)
    other = next(client for client in clients if client.number not in strategy.sample(1, range(3), 0))
    evaluated = other.evaluated(Message(strategy.state, config={"round": 1}))
    assert all(torch.equal(evaluated[name], value) for name, value in strategy.state.items())


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_a_wrong_strength_is_refused(strength):
    with pytest.raises(ValueError, match=f"strength: expected a finite number of at least 0, got {strength}"):
        Ditto(strength)
