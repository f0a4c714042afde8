"""The largest changes, and the memory of the others."""

import numpy as np
import pytest
import torch

from graphml.federated import FedAvg, FedAvgM, Message, Schedule, Uplink, simulate
from graphml.federated.client import Client
from graphml.federated.compression import ByExamples, StochasticQuantisation, TopK, Updates
from graphml.federated.uplink import Sealing

SCHEDULE = Schedule(monitor="val_loss")


def run(strategy, make_clients, rounds=3, **options):
    clients = make_clients(strategy)
    result = simulate(strategy, clients, rounds, schedule=SCHEDULE, progress=False, **options)
    assert not result.history.faults, result.history.faults
    return result, clients


def assert_close(first, second):
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stage", [Updates, lambda: TopK(1.0)])
@pytest.mark.parametrize("algorithm", [FedAvg, FedAvgM])
def test_all_changes_are_the_plain_algorithm(stage, algorithm, make_clients):
    plain, _ = run(algorithm(), make_clients)
    found, _ = run(Uplink(algorithm(), [stage()]), make_clients)
    assert_close(plain.last_state, found.last_state)


def test_rounds_of_sealing_are_numpys(task):
    rng, client, stage = np.random.default_rng(0), Client(0, task, None), TopK(0.1)
    shapes = {name: value.shape for name, value in client.initial.items()}
    size = sum(value.numel() for value in client.initial.values())
    count, error = round(0.1 * size), np.zeros(size, dtype=np.float32)
    for _ in range(4):
        change = {name: rng.normal(size=shapes[name]).astype(np.float32) for name in shapes}
        end = {name: client.initial[name] + torch.from_numpy(change[name]) for name in shapes}
        sealing = Sealing(client, Message(), client.initial, torch.Generator())
        sealed = stage.seal(Message(end, {"num_examples": 1.0}), sealing)
        error += np.concatenate([(end[n] - client.initial[n]).numpy().ravel() for n in sorted(shapes)])
        places = np.sort(np.argsort(-np.abs(error))[:count])
        assert sealed.arrays["places"].dtype == torch.int32
        assert 8 * count < sealed.num_bytes < 8 * count + 200
        np.testing.assert_array_equal(sealed.arrays["places"], places)
        np.testing.assert_allclose(sealed.arrays["values"], error[places], rtol=1e-6)
        dense = stage.open(sealed, client.initial).arrays
        flat = np.zeros(size, dtype=np.float32)
        flat[places] = error[places]
        np.testing.assert_allclose(torch.cat([dense[n].view(-1) for n in sorted(shapes)]), flat, rtol=1e-6)
        error[places] = 0
        np.testing.assert_allclose(client.memory["top_k/error"], error, rtol=1e-6, atol=1e-7)


def test_what_is_not_sent_comes_later(make_clients):
    """A twentieth of the changes: the loss falls about as far with the memory as without compression."""

    def loss(stages):
        strategy = Uplink(FedAvg(), stages) if stages else FedAvg()
        return run(strategy, make_clients, 40)[0].history.rounds[-1].metrics["val_loss"]

    class Forgetful(TopK):
        def seal(self, answer, sealing):
            sealing.client.memory = {}
            return super().seal(answer, sealing)

    plain, kept, forgotten = loss([]), loss([TopK(0.05)]), loss([Forgetful(0.05)])
    assert kept < plain + 0.1
    assert kept < forgotten


def test_memory_continues_from_a_checkpoint(make_clients, tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole, _ = run(Uplink(FedAvg(), [TopK(0.1)]), make_clients, 4)
    run(Uplink(FedAvg(), [TopK(0.1)]), make_clients, 2, checkpoint=path)
    resumed, _ = run(Uplink(FedAvg(), [TopK(0.1)]), make_clients, 4, checkpoint=path, resume=True)
    assert all(torch.equal(value, resumed.last_state[name]) for name, value in whole.last_state.items())


def test_what_is_sent_can_be_quantised(make_clients):
    plain, _ = run(Uplink(FedAvg(), [TopK(0.5)]), make_clients)
    found, _ = run(Uplink(FedAvg(), [TopK(0.5), StochasticQuantisation(16, ByExamples())]), make_clients)
    for name, value in plain.last_state.items():
        torch.testing.assert_close(found.last_state[name], value, rtol=0, atol=1e-3)


def test_wrong_places_are_a_fault_of_the_client(make_clients):
    strategy = Uplink(FedAvg(), [TopK(0.5)])
    initial = make_clients(strategy)[0].initial
    strategy.initialize(initial, 4)
    arrays = {name: torch.zeros_like(value) for name, value in strategy.expected(1).items()}
    assert strategy.check(1, Message(arrays, {"num_examples": 1.0})) is None
    arrays["places"][-1] = 10**6
    told = strategy.check(1, Message(arrays, {"num_examples": 1.0}))
    assert told.startswith("sent what cannot be opened: places: expected 0 to")


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ValueError, match=r"share: expected one in \(0, 1\], got"):
        TopK(share)
