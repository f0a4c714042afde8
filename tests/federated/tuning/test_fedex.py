import functools
import math

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, LocalTraining, Message, SequentialEngine, simulate
from graphml.federated.tuning import FedEx
from graphml.federated.tuning.fedex import DIVERGED

LOCAL = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.2))
THREE = [{"lr": 0.01}, {"lr": 0.1}, {"lr": 0.5}]


class RecordingEngine(SequentialEngine):
    """Keeps the answers to `fit`, round by round."""

    def __init__(self):
        super().__init__()
        self.replies = []

    def exchange(self, call, clients, requests):
        replies = super().exchange(call, clients, requests)
        if call == "fit":
            self.replies.append(replies)
        return replies


def test_one_configuration_is_fedavg_to_the_last_bit(make_clients):
    fedex = FedEx([{"epochs": 2, "lr": 0.2}])
    other = LocalTraining(7, functools.partial(torch.optim.SGD, lr=9.0))  # what the configuration replaces
    mine = simulate(fedex, make_clients(fedex, other), 4, progress=False)
    plain = simulate(FedAvg(), make_clients(FedAvg(), LOCAL), 4, progress=False)
    assert all(torch.equal(mine.last_state[name], plain.last_state[name]) for name in plain.last_state)
    assert fedex.probabilities.tolist() == [1.0]


def test_hyperparameters_that_are_not_named_stay(make_clients):
    strategy = FedEx([{"lr": 0.2}])
    mine = simulate(strategy, make_clients(strategy, LOCAL), 2, progress=False)
    plain = simulate(FedAvg(), make_clients(FedAvg(), LOCAL), 2, progress=False)
    assert all(torch.equal(mine.last_state[name], plain.last_state[name]) for name in plain.last_state)


@pytest.mark.parametrize("discount", [0.0, 0.7, 1.0])
def test_the_distribution_is_that_of_the_paper(discount, make_clients):
    engine, strategy = RecordingEngine(), FedEx(THREE, discount)
    simulate(strategy, make_clients(strategy), 6, engine, progress=False)
    theta, squares, past = np.full(3, 1 / 3), 0.0, []
    for replies in engine.replies:
        drawn = [int(reply.metrics["configuration"]) for reply in replies.values()]
        losses = np.array([reply.metrics["val_loss"] for reply in replies.values()])
        share = np.array([reply.metrics["num_val"] for reply in replies.values()])
        share /= share.sum()
        if past:
            weights = discount ** np.arange(len(past))[::-1]
            baseline = np.average(past, weights=weights)
            losses = np.minimum(losses, 2 * baseline)
            gradient = np.zeros(3)
            for c, loss, weight in zip(drawn, losses, share, strict=True):
                gradient[c] += weight * (loss - baseline) / theta[c]
            squares += np.abs(gradient).max() ** 2
            theta = theta * np.exp(-math.sqrt(2 * math.log(3) / squares) * gradient)
            theta /= theta.sum()
        past.append(share @ losses)
    np.testing.assert_allclose(strategy.probabilities.numpy(), theta, rtol=1e-10)
    assert strategy.likeliest == THREE[int(theta.argmax())]


def test_it_finds_the_learning_rate_that_trains(make_clients):
    strategy = FedEx([{"lr": 1e-6}, {"lr": 0.3}, {"lr": 1e-5}])
    simulate(strategy, make_clients(strategy), 30, progress=False)
    assert strategy.likeliest == {"lr": 0.3}
    assert strategy.probabilities[1] > 0.8


def test_equal_seeds_are_bit_equal_and_others_draw_otherwise(make_clients):
    ends = []
    for seed in (0, 0, 1):
        strategy = FedEx(THREE, seed=seed)
        ends.append((simulate(strategy, make_clients(strategy), 3, progress=False).last_state, strategy.probabilities))
    assert all(torch.equal(ends[0][0][name], ends[1][0][name]) for name in ends[0][0])
    assert torch.equal(ends[0][1], ends[1][1])
    assert not torch.equal(ends[0][1], ends[2][1])


def test_a_stopped_run_goes_on_as_the_whole_one(make_clients, tmp_path):
    whole, part, rest = FedEx(THREE), FedEx(THREE), FedEx(THREE)
    state = simulate(whole, make_clients(whole), 5, progress=False).last_state
    path = tmp_path / "checkpoint.pt"
    simulate(part, make_clients(part), 2, checkpoint=path, progress=False)
    resumed = simulate(rest, make_clients(rest), 5, checkpoint=path, resume=True, progress=False).last_state
    assert all(torch.equal(state[name], resumed[name]) for name in state)
    assert torch.equal(whole.probabilities, rest.probabilities)


def test_a_configuration_that_diverges_is_punished_and_spoils_nothing(make_clients):
    strategy = FedEx([{"lr": 1e30}, {"lr": 0.2}])
    result = simulate(strategy, make_clients(strategy), 12, progress=False)
    assert strategy.likeliest == {"lr": 0.2}
    assert result.history.faults == []
    assert all(value.isfinite().all() for value in result.last_state.values())
    assert result.history.best.metrics["val_accuracy"] > result.history.rounds[0].metrics["val_accuracy"]


def test_where_all_diverge_nothing_changes(make_clients):
    strategy = FedEx([{"lr": 1e30}, {"lr": 1e31}])
    clients = make_clients(strategy)
    result = simulate(strategy, clients, 2, progress=False)
    initial = clients[0].initial
    assert all(torch.equal(result.last_state[name], initial[name]) for name in initial)
    assert strategy.probabilities.tolist() == [0.5, 0.5]


def test_the_first_losses_are_a_baseline_alone():
    strategy = FedEx(THREE)
    strategy.initialize({"w": torch.zeros(1)}, 2)
    metrics = {"num_examples": 1, "num_val": 4, "configuration": 1, "val_loss": 3.0}
    strategy.aggregate_fit(1, {0: Message({"w": torch.ones(1)}, metrics)})
    torch.testing.assert_close(strategy.probabilities, torch.full((3,), 1 / 3, dtype=torch.float64))
    diverged = Message({"w": torch.ones(1)}, metrics | {"val_loss": DIVERGED})
    strategy.aggregate_fit(2, {0: Message({"w": torch.ones(1)}, metrics), 1: diverged})
    assert strategy.likeliest != THREE[1]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"configuration": 3.0, "val_loss": 1.0, "num_val": 1.0}, r"sent configuration 3.0, expected 0 to 2"),
        ({"configuration": 0.5, "val_loss": 1.0, "num_val": 1.0}, r"sent configuration 0.5"),
        ({"configuration": 1.0, "num_val": 1.0}, "lacks val_loss or num_val"),
        ({"configuration": 1.0, "val_loss": 1.0, "num_val": -1.0}, "lacks val_loss or num_val"),
        ({"configuration": 1.0, "val_loss": math.nan, "num_val": 1.0}, "sent nan for val_loss"),
    ],
)
def test_a_wrong_answer_is_refused(metrics, told):
    strategy = FedEx(THREE)
    strategy.initialize({"w": torch.zeros(1)}, 1)
    assert told in strategy.check(1, Message({"w": torch.zeros(1)}, {"num_examples": 1} | metrics))


def test_an_option_that_the_optimizer_has_not_is_named(make_clients):
    strategy = FedEx([{"rate": 0.1}])
    with pytest.raises(RuntimeError, match=r"configurations: expected some of epochs, lr, .*, got rate"):
        simulate(strategy, make_clients(strategy), 1, progress=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"configurations": []}, "configurations: expected at least one"),
        ({"configurations": [{}]}, "configurations: expected at least one, each with a hyperparameter"),
        ({"configurations": [{"epochs": 0}]}, "epochs: expected integers of at least 1, got 0"),
        ({"configurations": [{"epochs": 1.5}]}, "epochs: expected integers of at least 1, got 1.5"),
        ({"configurations": THREE, "discount": 1.1}, r"discount: expected a number in \[0, 1\], got 1.1"),
        ({"configurations": THREE, "seed": -1}, "seed: expected at least 0, got -1"),
        ({"configurations": THREE, "client_fraction": 0.0}, "client_fraction"),
    ],
)
def test_wrong_arguments_are_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        FedEx(**arguments)
