"""Noise at the clients."""

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from graphml.federated import FedAvg, Message, Scaffold, Sealing, Uplink, VectorisedEngine
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.local_dp import LocalDP
from graphml.federated.privacy.update import flat_update
from graphml.models import GIN
from graphml.tasks import NodeClassificationTask

START = {"a": torch.zeros(20_000), "b": torch.zeros(100, 100)}


def named(remove_duplicate):
    return START.items()


def noise(stage, seed, size=0.0):
    answer = Message({name: value + size for name, value in START.items()}, {"num_examples": 9.0, "loss": 0.3})
    client = SimpleNamespace(initial=START, task=SimpleNamespace(named_parameters=named, has_statistics=False))
    sealing = Sealing(client, Message(), START, torch.Generator().manual_seed(seed))
    return stage.seal(answer, sealing)


def test_the_noise_is_gaussian_of_the_stated_deviation():
    drawn = flat_update(noise(LocalDP(0.5, 3.0), 0), START).numpy()
    assert stats.kstest(drawn / 1.5, "norm").pvalue > 0.01  # sigma C = 1.5
    assert drawn.std() == pytest.approx(1.5, rel=0.02)


def test_the_noise_lies_on_the_clipped_update():
    small, large = (flat_update(noise(LocalDP(0.5, 3.0), 0, size), START) for size in (0.0, 7.0))
    assert float((large - small).norm()) == pytest.approx(0.5, rel=1e-4)


def test_nothing_is_told_besides():
    assert noise(LocalDP(1.0, 1.0), 0).metrics == {"num_examples": 1.0}


def test_same_seed_same_noise():
    assert torch.equal(noise(LocalDP(1.0, 1.0), 3).arrays["a"], noise(LocalDP(1.0, 1.0), 3).arrays["a"])
    assert not torch.equal(noise(LocalDP(1.0, 1.0), 3).arrays["a"], noise(LocalDP(1.0, 1.0), 4).arrays["a"])


@pytest.mark.parametrize("engine", [None, VectorisedEngine()])
def test_without_noise_and_clipping_it_is_fedavg_of_equal_clients(engine, run_clients, graphs):
    options = {} if engine is None else {"engine": engine}
    same = {"clients": {"graphs": [graphs[0]] * 2}}
    plain = run_clients(FedAvg(), **same, **options)
    private = run_clients(Uplink(FedAvg(), [LocalDP(math.inf, 0.0)]), **same, **options)
    for name, value in plain.last_state.items():
        torch.testing.assert_close(private.last_state[name], value, rtol=0, atol=1e-6)


def test_a_run_with_noise_repeats_itself(run_clients):
    first, second = (run_clients(Uplink(FedAvg(), [LocalDP(1.0, 0.1)])) for _ in range(2))
    for name, value in first.last_state.items():
        assert torch.equal(second.last_state[name], value)


def test_controls_get_noise_as_weights_do(make_clients):
    strategy = Uplink(Scaffold(), [LocalDP(1.0, 0.5)])
    client = make_clients(strategy)[0]
    strategy.initialize(client.initial, 4)
    answer = client.fit(strategy.configure_fit(1, [0])[0])
    control = answer.arrays["control/encoder.lins.0.weight"]
    assert float(control.std()) == pytest.approx(0.5, rel=0.5)


def test_epsilon_is_that_of_two_data_sets(make_clients):
    pytest.importorskip("opacus")
    stage = LocalDP(1.0, 4.0)
    # Updates of 1 and of -1 are 2 C apart: the noise is sigma / 2 times that.
    assert stage.epsilon(10, 0.1, 1e-5) == rdp_epsilon(2.0, 1.0, 10, 1e-5)
    apart = flat_update(noise(LocalDP(1.0, 0.0), 0, 5.0), START) - flat_update(noise(LocalDP(1.0, 0.0), 0, -5.0), START)
    assert float(apart.norm()) == pytest.approx(2.0, rel=1e-5)


def test_a_model_with_buffers_is_refused(graphs, make_clients):
    batch_norm = NodeClassificationTask(6, 3, model=functools.partial(GIN, hidden_channels=4))
    strategy = Uplink(FedAvg(), [LocalDP(1.0, 1.0)])
    plain = make_clients(strategy)[0]
    client = type(plain)(0, batch_norm, plain.data, plain.local)
    with pytest.raises(ValueError, match=r"model: expected no shared buffers.*norm.num_batches_tracked"):
        client.fit(Message(client.initial, config={"round": 1}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 0.0, "noise_multiplier": 1.0}, "clip: expected a norm above 0"),
        (
            {"clip": math.inf, "noise_multiplier": 1.0},
            "clip: expected a norm above 0, finite where there is noise, got inf",
        ),
        ({"clip": 1.0, "noise_multiplier": -0.1}, "noise_multiplier: expected a finite number of at least 0, got -0.1"),
        ({"clip": 1.0, "noise_multiplier": 1.0, "delta": 1.0}, r"delta: expected a probability in \(0, 1\), got 1"),
    ],
)
def test_wrong_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        LocalDP(**options)


def test_averages_have_the_noise_of_one_over_the_root(run_clients):
    noisy = run_clients(Uplink(FedAvg(), [LocalDP(1.0, 5.0)]), rounds=1)
    still = run_clients(Uplink(FedAvg(), [LocalDP(1.0, 0.0)]), rounds=1)
    drawn = flat_update(Message(noisy.last_state), still.last_state).numpy()
    assert drawn.std() == pytest.approx(5 / np.sqrt(4), rel=0.4)  # 43 weights, four clients
