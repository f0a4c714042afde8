"""FedMVR with adaptive steps: the matrix that server and clients share."""

import functools

import numpy as np
import pytest
import torch

from graphml.federated.algorithms.adaptive_fedmvr import AdaptiveFedMVR
from graphml.federated.algorithms.fedmvr import FedMVR
from graphml.federated.message import taken_from

SGD = functools.partial(torch.optim.SGD, lr=0.05)


def formulas(a, b, rounds, steps, lr, alpha, beta, tau):
    """The docstring's formulas line by line."""
    gradient = lambda i, x: a[i] * (x - b[i])  # noqa: E731
    x = before = np.zeros(a.shape[1])
    d = np.mean([gradient(i, x) for i in range(len(a))], 0)
    v = d**2
    for _ in range(rounds):
        ends, estimates = [], []
        for i in range(len(a)):
            y, last, e = x, before, d
            for step in range(steps):
                e = gradient(i, y) + (1 - alpha) * (e - gradient(i, last))
                estimates += [e] if step == 0 else []
                last, y = y, y - lr * e / (np.sqrt(v) + tau)
            ends = [*ends, y]
        x, before, d = np.mean(ends, 0), x, np.mean(estimates, 0)
        v = beta * v + (1 - beta) * d**2
    return x, d, v


def test_it_is_the_formulas(quadratics, problem, federate):
    strategy = AdaptiveFedMVR(alpha=0.3, beta=0.8, tau=0.05)
    state = federate(strategy, quadratics(strategy, *problem, steps=3, optimizer=SGD), 6)
    x, d, v = formulas(*problem, 6, 3, 0.05, 0.3, 0.8, 0.05)
    np.testing.assert_allclose(state["w"].numpy(), x, rtol=1e-8)
    np.testing.assert_allclose(strategy.memory["estimator/w"].numpy(), d, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(strategy.memory["second/w"].numpy(), v, rtol=1e-8)


def test_a_matrix_that_is_all_tau_leaves_the_steps_of_fedmvr(quadratics, problem, federate):
    """With tau so large that nothing else matters, and the learning rate as much larger."""
    large = functools.partial(torch.optim.SGD, lr=0.1 * 1e9)
    adaptive, plain = AdaptiveFedMVR(alpha=1.0, tau=1e9), FedMVR(alpha=1.0)
    state = federate(adaptive, quadratics(adaptive, *problem, steps=3, optimizer=large), 5)
    expected = federate(plain, quadratics(plain, *problem, steps=3), 5)
    torch.testing.assert_close(state, expected, rtol=1e-7, atol=1e-9)


def test_scaled_parameters_take_steps_of_equal_size(quadratics, federate):
    """A thousandfold curvature changes the first step by a tau's worth alone."""
    a = np.array([[1.0, 1000.0]])
    strategy = AdaptiveFedMVR(tau=1e-8)
    state = federate(strategy, quadratics(strategy, a, np.ones((1, 2)), optimizer=SGD), 1)
    np.testing.assert_allclose(state["w"].numpy(), [0.05, 0.05], rtol=1e-6)


def test_the_second_moment_is_never_sent_up(graphs, federate, recording):
    strategy = AdaptiveFedMVR()
    federate(strategy, graphs(strategy), 2, engine=recording)
    for call, _, request, reply in recording.seen:
        assert not taken_from("second", reply.arrays)
        if call == "fit" and request.config["round"] > 0:
            assert taken_from("second", request.arrays).keys() == strategy.trained


def test_a_first_round_without_examples_begins_with_zeros(quadratics, problem, federate):
    strategy = AdaptiveFedMVR()
    state = federate(strategy, quadratics(strategy, *problem, examples=[0] * 4, steps=0), 2)
    assert not state["w"].any()
    assert not strategy.memory["second/w"].any()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"beta": -0.1}, r"beta: expected a number in \[0, 1\], got -0.1"),
        ({"tau": 0.0}, "tau: expected a finite number above 0, got 0.0"),
        ({"alpha": 0.0}, r"alpha: expected a share in \(0, 1\], got 0.0"),
    ],
)
def test_wrong_options_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        AdaptiveFedMVR(**options)
