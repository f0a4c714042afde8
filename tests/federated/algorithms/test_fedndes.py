"""FedNDES: line search and effective dimension."""

import itertools

import numpy as np
import pytest
import torch

from graphml.federated.algorithms.fedndes import DECREASE, FedNDES, ladder
from graphml.federated.algorithms.fedns import FedNS
from graphml.federated.algorithms.newton import Newton, NoDecreaseError
from graphml.federated.message import Message
from graphml.federated.simulation import Schedule, simulate

RIDGE = 0.01


@pytest.fixture(scope="module")
def lowest(head_problem):
    return head_problem().gaps(Newton(ridge=RIDGE), 10, 0.0)[-1]


def test_where_whole_steps_are_good_it_is_fedns(head_problem, federate):
    plain, searching = FedNS(6, ridge=RIDGE), FedNDES(6, RIDGE)
    problem = head_problem(clients=12)
    state = federate(plain, problem.clients(plain), 5)
    again = federate(searching, problem.clients(searching), 5)
    torch.testing.assert_close(again, state, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2])
def test_sketches_with_which_fedns_diverges_go_down(size, head_problem, lowest):
    problem = head_problem()
    with pytest.raises(NoDecreaseError):
        problem.gaps(FedNS(size, ridge=RIDGE), 60, lowest)
    assert problem.gaps(FedNDES(size, RIDGE), 60, lowest)[-1] < 1e-4


def test_it_arrives_and_stays(head_problem, lowest, federate):
    problem, strategy = head_problem(), FedNDES(6, RIDGE, tolerance=1e-10)
    gaps = problem.gaps(strategy, 30, lowest)
    assert 0 <= gaps[-1] < 1e-9
    assert gaps[-1] == gaps[-2]


def test_each_step_meets_the_condition(head_problem, federate, recording):
    """By the messages: the point that a step ends at has a loss that is low enough, and the step before has not."""
    problem, strategy = head_problem(), FedNDES(2, RIDGE)
    federate(strategy, problem.clients(strategy), 40, engine=recording)
    fits = [request for call, number, request, _ in recording.seen if call == "fit" and number == 0]
    shortened = 0
    for request, following in itertools.pairwise(fits):
        if "direction" not in request.arrays or "direction" in following.arrays:
            continue
        end, direction = (
            {"head.weight": array[:, :-1], "head.bias": array[:, -1]}
            for array in (
                torch.cat([request.arrays["head.weight"], request.arrays["head.bias"][:, None]], 1),
                request.arrays["direction"],
            )
        )
        start = {name: end[name] - direction[name] for name in end}
        moved = following.arrays["head.weight"] - start["head.weight"]
        step = float((moved * direction["head.weight"]).sum() / direction["head.weight"].square().sum())
        assert min(abs(ladder() - step)) < 1e-9
        losses = {
            factor: problem.objective({name: start[name] + factor * direction[name] for name in start}, RIDGE)
            for factor in (0.0, step, 2 * step)
        }
        assert step < 1
        assert losses[step] < losses[0.0]
        slope = (losses[0.0] - problem.objective({n: start[n] + 1e-7 * direction[n] for n in start}, RIDGE)) / 1e-7
        assert losses[step] <= losses[0.0] - DECREASE * step * slope * 0.999
        assert losses[2 * step] > losses[0.0] - DECREASE * 2 * step * slope * 1.001
        shortened += 1
    assert shortened >= 3


def test_a_trial_costs_a_direction_and_fifty_losses(head_problem, federate, recording):
    strategy = FedNDES(6, RIDGE)
    federate(strategy, head_problem().clients(strategy), 2, engine=recording)
    (first, _), (second, reply) = [
        (request, reply) for call, number, request, reply in recording.seen if call == "fit" and number == 0
    ]
    assert "direction" not in first.arrays
    assert second.arrays["direction"].shape == (1, 7)
    assert {name: array.numel() for name, array in reply.arrays.items()} == {"gradient": 7, "sketch": 42, "ladder": 50}


def test_the_sketch_is_of_the_clients_largest_effective_dimension(head_problem, federate):
    problem = head_problem()
    strategy = FedNDES(ridge=RIDGE)
    federate(strategy, problem.clients(strategy), 1)
    told = []
    for rows in problem.parts:
        x = np.c_[problem.x[rows], np.ones(len(rows))]
        hessian = 0.25 * x.T @ x / len(x)  # p (1 - p) is a quarter at the head of zeros
        told.append(np.trace(hessian @ np.linalg.inv(hessian + RIDGE * np.eye(7))))
    assert int(strategy.memory["sketch_size"]) == int(np.ceil(max(told))) == 7
    few = FedNDES(ridge=10.0, oversampling=2.0)
    federate(few, problem.clients(few), 1)
    assert int(few.memory["sketch_size"]) == 1


def test_weights_of_single_precision_arrive_without_a_complaint(head_problem, lowest):
    gaps = head_problem(double=False).gaps(FedNDES(6, RIDGE), 40, lowest)
    assert abs(gaps[-1]) < 1e-9


def test_a_resumed_run_is_the_uninterrupted_one(head_problem, tmp_path):
    def go(rounds, **options):
        strategy = FedNDES(ridge=3.0)
        clients = head_problem().clients(strategy)
        simulate(strategy, clients, rounds, progress=False, schedule=Schedule(monitor="val_loss"), **options)
        return strategy.state | strategy.memory

    whole = go(5)
    go(2, checkpoint=tmp_path / "checkpoint.pt")
    resumed = go(5, checkpoint=tmp_path / "checkpoint.pt", resume=True)
    assert whole.keys() == resumed.keys()
    assert all(value.allclose(resumed[name], rtol=0, atol=0, equal_nan=True) for name, value in whole.items())


def test_three_searches_without_a_good_step_are_told(head_problem):
    """Clients whose losses are lower than those that their derivatives belong to: no step can be good."""
    problem, strategy = head_problem(), FedNDES(6, RIDGE)
    clients = problem.clients(strategy)
    for client in clients:
        client.fit = lying(client.fit)
    with pytest.raises(NoDecreaseError, match="under FedNDES: no step along the directions of its sketches is good"):
        problem.gaps(strategy, 20, 0.0, clients=clients)


def lying(fit):
    def answer(request):
        reply = fit(request)
        if "ladder" not in reply.arrays:
            return reply
        arrays = reply.arrays | {"ladder": reply.arrays["ladder"] + 10}
        return Message(arrays, reply.metrics | {"loss": reply.metrics["loss"] + 10})

    return answer


def test_a_client_that_does_not_tell_its_dimension_is_refused():
    strategy = FedNDES()
    strategy.initialize({"head.weight": torch.zeros(1, 6), "head.bias": torch.zeros(1)}, 1)
    assert strategy.check(0, Message({}, {"effective_dimension": 3.0})) is None
    assert strategy.check(0, Message()) == "sent effective_dimension -1.0, expected at least 0"


@pytest.mark.parametrize("options", [{"tolerance": 0.0}, {"oversampling": -1.0}, {"ridge": 0.0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected a finite number above 0, got"):
        FedNDES(**options)
    with pytest.raises(ValueError, match="sketch_size: expected at least 1, got 0"):
        FedNDES(0)
