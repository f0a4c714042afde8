"""FedMVR: against FedAvg, and against its formulas line by line."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, LocalTraining
from graphml.federated.algorithms.fedmvr import FedMVR, corrected
from graphml.federated.client_data import ClientData

DECAYING = functools.partial(torch.optim.SGD, lr=0.1, weight_decay=0.5)


@pytest.mark.parametrize("norm", [False, True])
def test_without_momentum_it_is_fedavg_to_the_last_bit(norm, graphs, federate):
    plain = federate(FedAvg(), graphs(FedAvg(), norm=norm, optimizer=DECAYING), 3)
    strategy = FedMVR(alpha=1.0)
    state = federate(strategy, graphs(strategy, norm=norm, optimizer=DECAYING), 3)
    assert state.keys() == plain.keys()
    assert all(value.equal(plain[name]) for name, value in state.items())


def paper(a, b, rounds, steps, lr, alpha, decay=0.0):
    """Local steps by STORM, with the server's averages, line by line."""
    gradient = lambda i, x: a[i] * (x - b[i]) + decay * x  # noqa: E731
    x, before, d = np.zeros(a.shape[1]), None, None
    for _ in range(rounds):
        ends, estimates = [], []
        for i in range(len(a)):
            y, last, e = x, before, d
            for step in range(steps):
                g = gradient(i, y)
                e = g if e is None else g + (1 - alpha) * (e - gradient(i, last))
                estimates += [e] if step == 0 else []
                last, y = y, y - lr * e
            ends = [*ends, y]
        x, before, d = np.mean(ends, 0), x, np.mean(estimates, 0)
    return x, d


@pytest.mark.parametrize(("optimizer", "decay"), [(functools.partial(torch.optim.SGD, lr=0.1), 0.0), (DECAYING, 0.5)])
def test_it_is_the_formulas(optimizer, decay, quadratics, problem, federate):
    strategy = FedMVR(alpha=0.3)
    clients = quadratics(strategy, *problem, steps=3, optimizer=optimizer)
    state = federate(strategy, clients, 6)
    x, d = paper(*problem, 6, 3, 0.1, 0.3, decay)
    np.testing.assert_allclose(state["w"].numpy(), x, rtol=1e-9)
    np.testing.assert_allclose(strategy.memory["estimator/w"].numpy(), d, rtol=1e-8, atol=1e-12)


def test_it_stays_nearer_to_the_optimum_than_fedavg_the_smaller_the_share(quadratics, problem, federate):
    a, b = problem
    optimum, distance = (a * b).sum(0) / a.sum(0), []
    for strategy in (FedAvg(), FedMVR(alpha=0.3), FedMVR(alpha=0.03)):
        clients = quadratics(strategy, a, b, steps=5)
        distance.append(np.abs(federate(strategy, clients, 150)["w"].numpy() - optimum).max())
    assert distance[0] > 0.1
    assert distance[1] < 0.6 * distance[0]
    assert distance[2] < distance[0] / 10


class NoisyData(ClientData):
    """Batches whose gradients scatter about that of the whole."""

    def __init__(self, a: torch.Tensor, b: torch.Tensor, steps: int) -> None:
        self.a, self.b, self.steps = a, b, steps

    def batches(self, stage: str, generator: torch.Generator | None = None) -> Iterator[Any]:
        for _ in range(self.steps if stage == "train" else 1):
            noise = torch.randn(self.b.shape, generator=generator, dtype=self.b.dtype) if generator is not None else 0.0
            yield self.a, self.b + noise

    def num_examples(self, stage: str) -> int:
        return 1


def test_the_estimates_scatter_less_than_the_gradients(quadratics, problem, federate):
    """With one client: the variance of d about the true gradient goes to a share alpha / (2 - alpha) of a batch's."""
    a, b = np.ones((1, 50)), np.zeros((1, 50))
    scatter = {}
    for alpha in (1.0, 0.1):
        found = []
        for seed in range(20):
            strategy = FedMVR(alpha=alpha)
            (client,) = quadratics(strategy, a, b, optimizer=functools.partial(torch.optim.SGD, lr=1e-4))
            client.data, client.seed = NoisyData(client.data.a, client.data.b, 1), seed
            federate(strategy, [client], 60)
            before = strategy.memory["previous/w"]
            found.append((strategy.memory["estimator/w"] - before).square().mean().item())
        scatter[alpha] = np.mean(found)
    assert scatter[1.0] == pytest.approx(1.0, rel=0.15)
    assert scatter[0.1] == pytest.approx(0.1 / 1.9, rel=0.25)


def test_both_gradients_see_the_same_dropout_and_leave_the_statistics_alone(graphs):
    """At equal weights they are equal, so that the estimate does not change."""
    strategy = FedMVR(alpha=0.1)
    for norm in (False, True):
        client = graphs(strategy, norm=norm)[0]
        batch = client.data.data
        client.task.train()
        generator = torch.Generator().manual_seed(0)
        weights = {name: value.detach().clone() for name, value in client.task.named_parameters()}
        buffers = {name: value.clone() for name, value in client.task.named_buffers()}
        state = torch.get_rng_state()
        there = client._gradient_at(weights, batch, generator)
        assert torch.get_rng_state().equal(state)
        assert all(value.equal(buffers[name]) for name, value in client.task.named_buffers())
        _, here = client._gradient(batch, generator)
        assert all(value.equal(there[name]) for name, value in here.items())
        unchanged = corrected(here, there, weights, 0.0)
        assert all(torch.allclose(unchanged[name], weights[name]) for name in weights)


def test_estimates_travel_both_ways_but_in_the_first_requests(graphs, federate, recording):
    strategy = FedMVR()
    federate(strategy, graphs(strategy, norm=True), 2, engine=recording)
    fits = [(request, reply) for call, _, request, reply in recording.seen if call == "fit"]
    parameters = {f"estimator/{name}" for name in strategy.trained}
    for place, (request, reply) in enumerate(fits):
        sent = {name for name in request.arrays if name.startswith("estimator/")}
        assert sent == (parameters if place >= 3 else set())
        assert {name for name in reply.arrays if name.startswith("estimator/")} == parameters


def test_equal_seeds_are_bit_equal(graphs, federate):
    first, second = (federate(FedMVR(), graphs(FedMVR()), 3) for _ in range(2))
    assert all(value.equal(second[name]) for name, value in first.items())


def test_a_client_without_training_data_changes_nothing(quadratics, problem, federate):
    a, b = problem
    few = federate(FedMVR(), quadratics(FedMVR(), a[:3], b[:3], [2, 3, 4], steps=3), 4)
    more = federate(FedMVR(), quadratics(FedMVR(), a, b, [2, 3, 4, 0], steps=[3, 3, 3, 0]), 4)
    torch.testing.assert_close(more, few, rtol=1e-12, atol=0)


@pytest.mark.parametrize("alpha", [0.0, 1.5, float("nan")])
def test_wrong_shares_are_refused(alpha):
    with pytest.raises(ValueError, match=r"alpha: expected a share in \(0, 1\], got"):
        FedMVR(alpha)


def test_other_optimizers_are_refused(quadratics, problem):
    with pytest.raises(ValueError, match=r"local.optimizer: expected torch\.optim\.SGD, got Adam"):
        quadratics(FedMVR(), *problem, optimizer=torch.optim.Adam)
    momentum = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"without momentum, got momentum 0\.9"):
        quadratics(FedMVR(), *problem, optimizer=momentum)


def test_a_diverging_client_is_told(graphs):
    strategy = FedMVR()
    client = graphs(strategy, optimizer=functools.partial(torch.optim.SGD, lr=1e20))[0]
    client.local = LocalTraining(6, client.local.optimizer)
    strategy.initialize(client.initial, 1)
    with pytest.raises(FloatingPointError, match=r"the training loss is (nan|inf): lower the learning rate"):
        client.fit(strategy.request(1))
