"""Newton's method and gradient descent for linear heads, against scikit-learn and dense algebra."""

import functools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from graphml.federated import Client, FedAvg, GraphsData, LocalTraining, simulate
from graphml.federated.algorithms.newton import GradientDescent, Newton, NoDecreaseError
from graphml.federated.message import Message
from graphml.federated.simulation import Schedule
from graphml.models import GCNEncoder
from graphml.tasks import BinaryNodeClassificationTask, LeastSquaresClassificationTask, NodeClassificationTask

RIDGE = 0.01


def optimum(problem):
    """The head [C, P] that scikit-learn finds; the bias is penalised as the other weights are."""
    x, C = np.c_[problem.x, np.ones(len(problem.x))], 1 / (RIDGE * len(problem.x))
    if isinstance(problem.task, LeastSquaresClassificationTask):
        ridge = Ridge(RIDGE * len(x), fit_intercept=False, solver="cholesky")
        return ridge.fit(x, np.eye(problem.y.max() + 1)[problem.y]).coef_
    return LogisticRegression(C=C, fit_intercept=False, tol=1e-12, max_iter=1000).fit(x, problem.y).coef_


@pytest.mark.parametrize(
    ("kind", "classes"),
    [(BinaryNodeClassificationTask, 2), (NodeClassificationTask, 3), (LeastSquaresClassificationTask, 3)],
)
def test_newton_finds_scikit_learns_optimum(kind, classes, head_problem, federate):
    problem = head_problem(kind, classes=classes)
    strategy = Newton(ridge=RIDGE)
    state = federate(strategy, problem.clients(strategy), 8)
    head = np.c_[state["head.weight"].numpy(), state["head.bias"].numpy()]
    np.testing.assert_allclose(head, optimum(problem), atol=1e-6)


def test_least_squares_takes_one_step(head_problem, federate):
    problem = head_problem(LeastSquaresClassificationTask, classes=3)
    strategy = Newton(ridge=RIDGE)
    state = federate(strategy, problem.clients(strategy), 1)
    head = np.c_[state["head.weight"].numpy(), state["head.bias"].numpy()]
    np.testing.assert_allclose(head, optimum(problem), atol=1e-12)


def test_who_holds_which_rows_does_not_matter(head_problem, federate):
    states = []
    for clients in (1, 3, 7):
        problem, strategy = head_problem(clients=clients), Newton(ridge=RIDGE)
        states.append(federate(strategy, problem.clients(strategy), 2))
    for state in states[1:]:
        torch.testing.assert_close(state, states[0], rtol=1e-9, atol=1e-12)


def test_gradient_descent_is_fedavg_with_one_step_of_sgd(head_problem, federate):
    problem = head_problem(NodeClassificationTask, classes=3)
    strategy, sgd = GradientDescent(0.5, RIDGE), functools.partial(torch.optim.SGD, lr=0.5, weight_decay=RIDGE)
    ours = federate(strategy, problem.clients(strategy), 5)
    theirs = federate(FedAvg(), problem.clients(FedAvg(), local=LocalTraining(1, sgd)), 5)
    torch.testing.assert_close(ours, {name: theirs[name] for name in ours}, rtol=1e-10, atol=1e-12)


def test_an_encoder_is_frozen_and_never_sent(graphs, federate, recording):
    strategy = Newton(ridge=RIDGE)
    clients = graphs(strategy, norm=True)
    assert isinstance(clients[0].task.encoder, GCNEncoder)
    before = dict(clients[0].initial)
    state = federate(strategy, clients, 3, engine=recording)
    assert state.keys() == {"head.weight", "head.bias"}
    after = clients[0].start(Message(state))
    assert all(after[name].equal(value) for name, value in before.items() if not name.startswith("head"))
    for _, _, request, _ in recording.seen:
        assert request.arrays.keys() == state.keys()


def test_what_is_sent_is_the_gradient_and_the_hessian(head_problem, federate, recording):
    problem, strategy = head_problem(), Newton()
    federate(strategy, problem.clients(strategy), 1, engine=recording)
    replies = [reply for call, _, _, reply in recording.seen if call == "fit"]
    assert len(replies) == 4
    for reply in replies:
        assert sum(array.numel() for array in reply.arrays.values()) == 7**2 + 7
        assert 0 < reply.num_bytes - 8 * (7**2 + 7) < 300  # names, shapes and two numbers


def test_weights_of_single_precision_reach_their_precision(head_problem):
    problem, strategy = head_problem(double=False), Newton(ridge=RIDGE)
    lowest = head_problem().gaps(Newton(ridge=RIDGE), 8, 0.0)[-1]
    gaps = problem.gaps(strategy, 10, lowest)
    assert strategy.state["head.weight"].dtype == torch.float32
    assert abs(gaps[-1]) < 1e-12


def test_steps_that_are_too_long_are_told(head_problem):
    problem, strategy = head_problem(), GradientDescent(300.0, RIDGE)
    with pytest.raises(
        NoDecreaseError, match=r"round \d: the loss has not decreased for 3 rounds under GradientDescent: l"
    ):
        problem.gaps(strategy, 20, 0.0)


def test_a_client_that_fails_once_changes_the_average_alone(head_problem):
    problem, strategy = head_problem(), Newton(ridge=RIDGE)
    lowest = problem.gaps(Newton(ridge=RIDGE), 8, 0.0)[-1]
    clients = problem.clients(strategy)
    fit = clients[1].fit

    def failing(request):
        if request.config["round"] == 3:
            raise OSError("gone")
        return fit(request)

    clients[1].fit = failing
    gaps = problem.gaps(strategy, 9, lowest, clients=clients)
    assert abs(gaps[-1]) < 1e-12


def test_clients_without_examples_change_nothing(head_problem, federate):
    problem, few = head_problem(), Newton(ridge=RIDGE)
    state = federate(few, problem.clients(few), 3)
    strategy = Newton(ridge=RIDGE)
    problem.parts.append(np.array([], dtype=int))
    more = federate(strategy, problem.clients(strategy), 3)
    assert all(more[name].equal(state[name]) for name in state)


def test_answers_without_a_loss_or_of_a_wrong_shape_are_refused(head_problem):
    strategy = Newton()
    strategy.initialize({"head.weight": torch.zeros(1, 6), "head.bias": torch.zeros(1)}, 1)
    arrays = {"gradient": torch.zeros(1, 7), "hessian": torch.zeros(7, 7)}
    assert strategy.check(1, Message(arrays, {"num_examples": 1, "loss": 1.0})) is None
    assert strategy.check(1, Message(arrays, {"num_examples": 1})) == "lacks its loss"
    wrong = strategy.check(1, Message(arrays | {"hessian": torch.zeros(6, 6)}, {"num_examples": 1, "loss": 1.0}))
    assert wrong == "sent hessian of shape [6, 6] of torch.float32, expected [7, 7] of torch.float32"


@pytest.mark.parametrize("kind", [GradientDescent, Newton])
@pytest.mark.parametrize("options", [{"step": 0.0}, {"ridge": -1.0}, {"ridge": float("nan")}])
def test_wrong_options_are_refused(kind, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected a finite number above 0, got"):
        kind(**options)


def test_data_that_are_no_graph_are_refused(head_problem):
    task = head_problem().task
    with pytest.raises(TypeError, match="data: expected NodeData, a graph for each client, got GraphsData"):
        Newton().client(0, task, GraphsData({"train": []}, 1))


def test_a_server_evaluates_the_head(head_problem):
    strategy = Newton()
    result = simulate(
        strategy,
        head_problem().clients(strategy),
        2,
        server=Client(-1, head_problem().task, head_problem().clients(strategy)[0].data),
        progress=False,
        schedule=Schedule(monitor="val_loss"),
    )
    losses = [row.metrics["val_loss"] for row in result.history.rounds]
    assert losses[0] == pytest.approx(np.log(2))
    assert losses[2] < losses[1] < losses[0]
