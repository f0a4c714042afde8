"""Clipped uniform quantisation against its published and exact numbers."""

import functools

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from graphml.data import NodeDataModule
from graphml.federated import (
    FedAvg,
    FedAvgM,
    LocalTraining,
    LouvainPartitioner,
    Message,
    Scaffold,
    Schedule,
    Uplink,
    VectorisedEngine,
    simulate,
)
from graphml.federated.client import Client
from graphml.federated.compression import (
    ByExamples,
    ByInverseError,
    DeterministicQuantisation,
    StochasticQuantisation,
    Updates,
)
from graphml.federated.compression.quantisation import clipping_scale, dequantise, quantise
from graphml.federated.compression.weighting import inverse
from graphml.federated.protocols import PROTOCOLS
from graphml.federated.sources import source_of
from graphml.federated.uplink import Sealing
from graphml.federated.weights import weights_of
from graphml.models import GCN, GCNEncoder
from graphml.tasks import NodeClassificationTask

SCHEDULE = Schedule(monitor="val_loss")
KINDS = [StochasticQuantisation, DeterministicQuantisation]


def samples(distribution, size=10**6):
    """One draw from each of ``size`` slices of equal probability: rare values are there as often as they should be."""
    places = (np.arange(size) + np.random.default_rng(0).uniform(size=size)) / size
    return torch.from_numpy(distribution.ppf(places))


def exact_scale(distribution, bits):
    """The fixed point for a density that is symmetric around 0."""
    upper = distribution.ppf(1 - 1e-15)

    def gap(s):
        tail = integrate.quad(lambda x: x * distribution.pdf(x), s, upper)[0]
        return tail / (4.0**-bits / 3 * (0.5 - distribution.sf(s)) + distribution.sf(s)) - s

    return optimize.brentq(gap, 0.5, 20)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("distribution", [stats.norm(), stats.laplace()], ids=["normal", "laplace"])
def test_scales_are_the_fixed_points(distribution, bits):
    assert clipping_scale(samples(distribution), bits) == pytest.approx(exact_scale(distribution, bits), rel=0.01)


@pytest.mark.parametrize(
    ("distribution", "published"),
    [
        (stats.norm(), {2: 1.7388, 3: 2.1611, 4: 2.5621, 8: 3.9241}),
        (stats.laplace(), {2: 2.8737, 3: 3.9133, 4: 5.0341, 8: 9.897}),
    ],
    ids=["normal", "laplace"],
)
def test_scales_are_the_anchors(distribution, published):
    values = samples(distribution)
    for bits, scale in published.items():
        assert clipping_scale(values, bits) == pytest.approx(scale, rel=0.01)


@pytest.mark.parametrize(
    ("bits", "nearest", "drawn"),
    [(2, 0.1287, 0.2318), (3, 0.0380, 0.0689), (4, 0.0116, 0.0213), (8, 9e-5, 1.7e-4)],
)
def test_errors_are_the_anchors(bits, nearest, drawn):
    values, generator = samples(stats.norm()), torch.Generator().manual_seed(0)
    scale = clipping_scale(values, bits)
    for expected, source in ((nearest, None), (drawn, generator)):
        error = (values - dequantise(quantise(values, scale, bits, source), scale, bits)).square().mean()
        assert float(error) == pytest.approx(expected, rel=0.06 if bits == 8 else 0.01)  # 9e-5 has one digit


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_stochastic_rounding_is_unbiased_and_the_other_is_not(bits):
    values, scale, generator = torch.linspace(-1, 1, 41, dtype=torch.float64), 1.0, torch.Generator().manual_seed(0)
    draws = torch.stack([dequantise(quantise(values, scale, bits, generator), scale, bits) for _ in range(4000)])
    deviation = 2 * scale / (2**bits - 1) / 2 / 4000**0.5  # at most half a step for one draw
    assert (draws.mean(0) - values).abs().max() < 4 * deviation
    assert (dequantise(quantise(values, scale, bits), scale, bits) - values).abs().max() > 10 * deviation


def test_values_beyond_the_scale_become_the_outermost_levels():
    values, generator = torch.tensor([-9.0, -1.0, 1.0, 9.0]), torch.Generator().manual_seed(0)
    for source in (None, generator):
        assert quantise(values, 1.0, 3, source).tolist() == [0, 0, 7, 7]
    assert dequantise(torch.tensor([0, 7]), 1.0, 3).tolist() == [-1, 1]


@pytest.mark.parametrize("bits", [1, 4, 16])
def test_constants_zeros_and_a_few_values(bits):
    assert clipping_scale(torch.zeros(5), bits) == clipping_scale(torch.empty(0), bits) == 0
    for value in (0.3, -0.3):
        scale = clipping_scale(torch.full((7,), value), bits)
        assert scale == pytest.approx(0.3, rel=1e-6)  # float32
    assert clipping_scale(torch.tensor([0.0, 0.0, 2.0]), bits) == 2
    # Two values of unlike number, between which the plain iteration jumps at one bit: the better of the two is kept.
    assert clipping_scale(torch.tensor([*[1.0] * 100, 2.0]), 1) == pytest.approx(102 / 101)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [1, 5, 16])
def test_sealed_tensors_come_back_as_their_levels(kind, bits):
    client, answer = sealer(), Message(weights_of(sealer().task), {"num_examples": 3.0})
    stage = kind(bits)
    stage.initialize(frozenset(client.task.state_dict()) - set(dict(client.task.named_parameters())))
    start = weights_of(client.task)
    sealed = stage.seal(answer, Sealing(client, Message(), start, torch.Generator().manual_seed(0)))
    wire = stage.wire(start)
    assert {name: (v.shape, v.dtype) for name, v in sealed.arrays.items()} == {
        name: (v.shape, v.dtype) for name, v in wire.items()
    }
    opened = stage.open(sealed, start)
    assert opened.arrays.keys() == start.keys()
    for name, value in start.items():
        found = opened.arrays[name]
        if "running" in name or not value.is_floating_point():
            assert torch.equal(found, value), name
            continue
        step = 2 * clipping_scale(value, bits) / (2**bits - 1)
        inside = value.abs() <= clipping_scale(value, bits)
        assert found.dtype == value.dtype
        assert ((found - value).abs()[inside] <= step * 1.001).all(), name
        told = opened.metrics[f"squared_error/{name}"]
        assert told == pytest.approx(float((found.double() - value).square().sum()), rel=1e-3, abs=1e-9)


def sealer():
    torch.manual_seed(0)
    task = NodeClassificationTask(6, 3, encoder=functools.partial(GCNEncoder, hidden_channels=5))  # with BatchNorm
    return Client(0, task, None)  # type: ignore[arg-type]


def test_a_weight_that_is_not_finite_is_refused():
    client = sealer()
    arrays = weights_of(client.task)
    name = next(iter(dict(client.task.named_parameters())))
    arrays[name].view(-1)[0] = torch.nan
    with pytest.raises(FloatingPointError, match=f"{name} holds NaN or infinity"):
        DeterministicQuantisation(4).seal(Message(arrays), Sealing(client, Message(), arrays, torch.Generator()))


@pytest.mark.parametrize("kind", KINDS)
def test_widths_out_of_range_are_refused(kind):
    for bits in (0, 17):
        with pytest.raises(ValueError, match=f"bits: expected 1 to 16, got {bits}"):
            kind(bits)


def test_weights_of_the_inverse_error():
    np.testing.assert_allclose(inverse([1.0, 2.0, 4.0]), np.array([4, 2, 1]) / 7)
    assert inverse([0.0, 2.0, 0.0]) == [0.5, 0, 0.5]
    np.testing.assert_allclose(inverse([1e-300, 2e-300]), [2 / 3, 1 / 3])


def test_an_average_by_inverse_error_is_numpys():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    answers = {
        4 + k: Message(
            {"w": torch.tensor(first[k]), "running_var": torch.tensor(second[k]), "count": torch.tensor(k)},
            {"num_examples": 1.0 + 2 * k, "loss": float(k), "squared_error/w": 0.5 + k},
        )
        for k in range(2)
    }
    nobody = Message(answers[4].arrays, {"num_examples": 0.0, "loss": 0.0, "squared_error/w": 0.001})
    combined = ByInverseError().combine(answers | {9: nobody})
    assert list(combined) == [4]
    found = combined[4]
    np.testing.assert_allclose(found.arrays["w"], np.average(first, axis=0, weights=[2, 2 / 3]))
    np.testing.assert_allclose(found.arrays["running_var"], np.average(second, axis=0, weights=[1, 3]))
    assert found.arrays["count"] == 0
    assert found.metrics == {"num_examples": 4.0, "loss": 0.75, "squared_error/w": 1.25}
    assert ByInverseError().combine({9: nobody}) == {9: nobody}
    assert ByExamples().combine(answers) is answers


def run(strategy, make_clients, rounds=3, **options):
    result = simulate(strategy, make_clients(strategy), rounds, schedule=SCHEDULE, progress=False, **options)
    assert not result.history.faults, result.history.faults
    return result


@pytest.mark.parametrize("algorithm", [FedAvg, FedAvgM, Scaffold])
@pytest.mark.parametrize("before", [[], [Updates()]], ids=["weights", "updates"])
def test_sixteen_bits_are_nearly_the_plain_algorithm(algorithm, before, make_clients):
    plain = run(algorithm(), make_clients).last_state
    found = run(Uplink(algorithm(), [*before, StochasticQuantisation(16, ByExamples())]), make_clients).last_state
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-3 * float(value.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_are_bit_equal_and_a_resumed_one_too(kind, make_clients, tmp_path):
    def go(rounds, **options):
        return run(Uplink(FedAvg(), [kind(3)]), make_clients, rounds, **options).last_state

    whole, path = go(4), tmp_path / "checkpoint.pt"
    assert all(torch.equal(value, whole[name]) for name, value in go(4).items())
    go(2, checkpoint=path)
    assert all(torch.equal(value, whole[name]) for name, value in go(4, checkpoint=path, resume=True).items())


def test_four_bits_are_within_a_point_of_float32_on_cora_at_a_seventh_of_the_bytes(data_root):
    module = NodeDataModule("Cora", root=str(data_root), split="public", self_loops=True, sparse_features=True)
    source = source_of(module)
    source.deal(LouvainPartitioner(5)(source.items()), PROTOCOLS["fs-g"], 0)
    torch.manual_seed(0)
    task = NodeClassificationTask(1433, 7, model=functools.partial(GCN, hidden_channels=64, dropout=0.5))
    local = LocalTraining(4, functools.partial(torch.optim.SGD, lr=0.25, weight_decay=5e-4))
    initial = weights_of(task)

    def go(strategy):
        clients = [strategy.client(k, task, source.client_data(k), local, initial=initial) for k in range(5)]
        server = Client(-1, task, source.server_data(), initial=initial)
        history = simulate(
            strategy, clients, 30, VectorisedEngine(), server=server, progress=False, schedule=Schedule(30)
        ).history
        return history.rounds[-1].metrics["test_accuracy"], sum(row.bytes_up for row in history.rounds)

    accuracy, size = go(FedAvg())
    found, packed = go(Uplink(FedAvg(), [StochasticQuantisation(4)]))
    assert packed <= size / 7
    assert found >= accuracy - 0.01
