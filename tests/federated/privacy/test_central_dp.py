"""Noise at the server."""

import math

import pytest
import torch
from scipy import stats

from graphml.federated import (
    FedAvg,
    FedAvgM,
    Message,
    Scaffold,
    SequentialEngine,
    Uplink,
    UplinkStage,
    VectorisedEngine,
)
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.central_dp import CentralDP
from graphml.federated.privacy.update import flat_update
from graphml.federated.weights import weighted_average

SHARED = {"a": torch.zeros(20_000), "b": torch.zeros(100, 100)}


def answers(*sizes):
    return {
        number: Message({name: value + size for name, value in SHARED.items()}, {"num_examples": 10.0 * number + 1})
        for number, size in enumerate(sizes)
    }


def total(stage, replies):
    (answer,) = stage.combine(replies, SHARED).values()
    return flat_update(answer, SHARED) * stage.clients_per_round


def test_the_noise_is_gaussian_of_the_stated_deviation():
    drawn = total(CentralDP(0.5, 3.0, 4), answers(0.0, 0.0)).numpy()
    assert stats.kstest(drawn / 1.5, "norm").pvalue > 0.01
    assert drawn.std() == pytest.approx(1.5, rel=0.02)


def test_one_client_more_moves_the_sum_by_at_most_c():
    few, many = (
        total(CentralDP(0.5, 0.0, 4), answers(1.0, -2.0)),
        total(CentralDP(0.5, 0.0, 4), answers(1.0, -2.0, 3.0)),
    )
    assert float((many - few).norm()) == pytest.approx(0.5, rel=1e-5)


def test_clients_weigh_the_same_and_the_divisor_is_fixed():
    (answer,) = CentralDP(math.inf, 0.0, 4).combine(answers(1.0, 3.0), SHARED).values()
    torch.testing.assert_close(answer.arrays["a"], torch.ones(20_000))  # (1 + 3) / 4
    assert answer.metrics == {"num_examples": 1.0}


def test_each_round_has_noise_of_its_own_and_a_run_repeats_it():
    first, second = CentralDP(1.0, 1.0, 2, seed=1), CentralDP(1.0, 1.0, 2, seed=1)
    once, again = total(first, answers(0.0)), total(first, answers(0.0))
    assert not torch.equal(once, again)
    assert torch.equal(total(second, answers(0.0)), once)
    second.memory = first.memory  # as a checkpoint brings it back
    assert torch.equal(total(first, answers(0.0)), total(second, answers(0.0)))
    assert not torch.equal(total(CentralDP(1.0, 1.0, 2, seed=2), answers(0.0)), once)


@pytest.mark.parametrize("engine", [SequentialEngine(), VectorisedEngine()])
@pytest.mark.parametrize("algorithm", [FedAvg, FedAvgM])
def test_without_noise_and_clipping_it_is_the_algorithm_on_equal_clients(algorithm, engine, run_clients, graphs):
    same = {"clients": {"graphs": [graphs[0], graphs[0]]}, "engine": engine}
    plain = run_clients(algorithm(), **same)
    private = run_clients(Uplink(algorithm(), [CentralDP(math.inf, 0.0, 2)]), **same)
    for name, value in plain.last_state.items():
        torch.testing.assert_close(private.last_state[name], value, rtol=0, atol=1e-6)


def test_on_unequal_clients_it_is_the_plain_mean(run_clients, make_clients):
    strategy = FedAvg()
    clients = make_clients(strategy)
    strategy.initialize(clients[0].initial, 4)
    states = [client.fit(strategy.configure_fit(1, [0])[0]).arrays for client in clients]
    private = run_clients(Uplink(FedAvg(), [CentralDP(math.inf, 0.0, 4)]), rounds=1)
    for name, value in weighted_average(states, [1.0] * 4).items():
        torch.testing.assert_close(private.last_state[name], value, rtol=0, atol=1e-6)


def test_a_run_goes_on_where_it_stopped(run_clients, tmp_path):
    def strategy():
        return Uplink(FedAvg(), [CentralDP(1.0, 0.1, 4)])

    path = tmp_path / "checkpoint.pt"
    whole = run_clients(strategy(), rounds=3)
    run_clients(strategy(), rounds=1, checkpoint=path)
    resumed = run_clients(strategy(), rounds=3, checkpoint=path, resume=True)
    for name, value in whole.last_state.items():
        assert torch.equal(resumed.last_state[name], value)


def test_epsilon_is_that_of_the_subsampled_mechanism():
    pytest.importorskip("opacus")
    assert CentralDP(1.0, 2.0, 10).epsilon(20, 0.1, 1e-3) == rdp_epsilon(2.0, 0.1, 20, 1e-3)


def test_answers_with_more_than_weights_are_refused(run_clients):
    with pytest.raises(ValueError, match="strategy: expected one whose clients send weights alone, got control/"):
        run_clients(Uplink(Scaffold(), [CentralDP(1.0, 1.0, 4)]))


@pytest.mark.parametrize("count", [0.0, -1.0, math.inf, math.nan])
def test_wrong_numbers_of_clients(count):
    with pytest.raises(ValueError, match="clients_per_round: expected a finite number above 0"):
        CentralDP(1.0, 1.0, count)


def test_a_stage_that_hides_answers_is_refused(make_clients):
    class Hiding(UplinkStage):
        hides = True

    client = make_clients(Uplink(FedAvg(), [CentralDP(1.0, 1.0, 4), Hiding()]))[0]
    with pytest.raises(ValueError, match=r"stages: expected none that hides answers .* got Hiding"):
        client.fit(Message(client.initial, config={"round": 1}))
