"""FedNS: Newton's method with sketches."""

import numpy as np
import pytest
import torch

from graphml.federate.run import in_process_engine
from graphml.federated import SequentialEngine
from graphml.federated.algorithms.fedns import FedNS
from graphml.federated.algorithms.newton import Newton, NoDecreaseError
from graphml.federated.message import Message
from graphml.federated.setup import build, resolve
from graphml.federated.simulation import Schedule, simulate
from graphml.tasks import NodeClassificationTask


@pytest.fixture(scope="module")
def anchor(head_problem):
    """11,040 rows, 67 columns and a bias, 40 clients: the size of LIBSVM's phishing, and its lowest loss."""
    problem = head_problem(rows=11_040, columns=67, clients=40)
    return problem, problem.gaps(Newton(ridge=1e-3), 10, 0.0)[-1]


def first_below(gaps, gap):
    return next(round for round, value in enumerate(gaps, start=1) if value < gap)


def test_newton_is_at_1e_8_in_5_rounds(anchor):
    problem, lowest = anchor
    assert first_below(problem.gaps(Newton(ridge=1e-3), 6, lowest), 1e-8) <= 5


@pytest.mark.parametrize(("size", "gap", "rounds"), [(34, 1e-8, 15), (34, 1e-9, 11), (17, 6e-9, 14)])
def test_sketches_of_half_and_of_a_quarter_the_rows_are_there_in_15_rounds(size, gap, rounds, anchor):
    problem, lowest = anchor
    assert first_below(problem.gaps(FedNS(size, ridge=1e-3), rounds, lowest), gap) <= rounds


def test_sketches_of_5_rows_diverge_and_are_caught(anchor):
    problem, lowest = anchor
    strategy = FedNS(5, ridge=1e-3)
    with pytest.raises(
        NoDecreaseError, match="not decreased for 3 rounds under FedNS: raise sketch_size, lower the step"
    ):
        problem.gaps(strategy, 20, lowest)
    assert problem.objective(strategy.state, 1e-3) > np.log(2)


def test_shorter_steps_take_sketches_of_5_rows_down(anchor):
    problem, lowest = anchor
    gaps = problem.gaps(FedNS(5, step=0.2, ridge=1e-3), 15, lowest)
    assert gaps[-1] < 0.01


def test_what_is_sent_is_counted_with_the_sketch(anchor, federate, recording):
    problem, _ = anchor
    strategy = FedNS(17)
    result = simulate(
        strategy,
        problem.clients(strategy),
        1,
        recording,
        progress=False,
        schedule=Schedule(monitor="val_loss"),
    )
    floats = 17 * 68 + 68
    replies = [reply for call, _, _, reply in recording.seen if call == "fit"]
    assert [sum(array.numel() for array in reply.arrays.values()) for reply in replies] == [floats] * 40
    fits = sum(reply.num_bytes for reply in replies)
    evaluations = sum(reply.num_bytes for call, _, _, reply in recording.seen[-40:] if call == "evaluate")
    assert result.history.rounds[1].bytes_up == fits + evaluations
    assert 40 * 8 * floats < fits < 40 * (8 * floats + 300)


def test_a_sketch_of_all_rows_is_newton(head_problem, federate):
    problem = head_problem(NodeClassificationTask, classes=3)
    sketched, exact = FedNS(21), Newton()
    state = federate(sketched, problem.clients(sketched), 3)
    torch.testing.assert_close(state, federate(exact, problem.clients(exact), 3), rtol=1e-8, atol=1e-10)


def test_sketches_are_new_in_every_round_and_differ_between_clients(head_problem, federate, recording):
    strategy = FedNS(3)
    federate(strategy, head_problem().clients(strategy), 2, engine=recording)
    sketches = [reply.arrays["sketch"] for call, _, _, reply in recording.seen if call == "fit"]
    assert len(sketches) == 8
    assert all(sketch.shape == (3, 7) for sketch in sketches)
    roots = {float(sketch[0, 0]) for sketch in sketches}
    assert len(roots) == 8


def test_equal_seeds_are_bit_equal_and_others_differ(head_problem, federate):
    def go(seed):
        strategy = FedNS(3, step=0.3)
        return federate(strategy, head_problem().clients(strategy, seed=seed), 3)["head.weight"]

    assert go(1).equal(go(1))
    assert not go(1).equal(go(2))


def test_a_resumed_run_is_the_uninterrupted_one(head_problem, tmp_path):
    def go(rounds, **options):
        strategy = FedNS(4, step=0.5)
        clients = head_problem().clients(strategy)
        simulate(strategy, clients, rounds, progress=False, schedule=Schedule(monitor="val_loss"), **options)
        return strategy

    whole = go(5)
    go(2, checkpoint=tmp_path / "checkpoint.pt")
    resumed = go(5, checkpoint=tmp_path / "checkpoint.pt", resume=True)
    assert all(value.equal(resumed.state[name]) for name, value in whole.state.items())
    assert whole.memory.keys() == resumed.memory.keys()
    assert all(value.equal(resumed.memory[name]) for name, value in whole.memory.items())


def test_sketches_of_too_many_rows_are_refused():
    strategy = FedNS(4)
    strategy.initialize({"head.weight": torch.zeros(1, 6), "head.bias": torch.zeros(1)}, 1)
    measured = {"num_examples": 1.0, "loss": 1.0}
    for rows, expected in ((4, None), (2, None), (5, "sent sketch of shape [5, 7]")):
        reply = Message({"gradient": torch.zeros(1, 7), "sketch": torch.zeros(rows, 7)}, measured)
        wrong = strategy.check(1, reply)
        assert wrong is None if expected is None else wrong.startswith(expected)
    flat = Message({"gradient": torch.zeros(1, 7), "sketch": torch.zeros(7)}, measured)
    assert "sent sketch of shape [7]" in strategy.check(1, flat)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="sketch_size: expected at least 1, got 0"):
        FedNS(0)


def test_it_runs_from_a_configuration_on_a_frozen_encoder():
    setup = build(
        resolve(
            [
                {
                    "data": {
                        "class_path": "graphml.data.NodeDataModule",
                        "init_args": {"name": "karate", "split": "random"},
                    },
                    "model": {
                        "class_path": "graphml.tasks.NodeClassificationTask",
                        "init_args": {"encoder": {"class_path": "graphml.models.WaveletEncoder"}},
                    },
                    "partitioner": {
                        "class_path": "graphml.federated.RandomPartitioner",
                        "init_args": {"num_clients": 2},
                    },
                    "strategy": {
                        "class_path": "graphml.federated.algorithms.fedns.FedNS",
                        "init_args": {"sketch_size": 40},
                    },
                }
            ],
            ["--model.encoder.hidden_channels=4", "--data.split=random", "--protocol=fs-g"],
        )
    )
    result = simulate(setup.strategy, setup.clients, 4, server=setup.server, progress=False)
    assert not result.history.faults
    assert result.last_state.keys() == {"head.weight", "head.bias"}
    losses = [row.metrics["val_loss"] for row in result.history.rounds]
    assert losses[-1] != losses[0]
    assert in_process_engine(setup).__class__ is SequentialEngine
