"""Robust averages against their definitions, and against hostile clients."""

import functools
import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import (
    Client,
    FedAvg,
    LocalTraining,
    Message,
    RandomPartitioner,
    SequentialEngine,
    TooFewClientsError,
    Uplink,
    VectorisedEngine,
    simulate,
)
from graphml.federated.privacy.krum import Krum, MultiKrum
from graphml.federated.privacy.poisoning import GaussianNoise, LabelFlip, SignFlip
from graphml.federated.privacy.robust import CoordinateMedian, TrimmedMean
from graphml.federated.sources import source_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask


@pytest.fixture(params=[5, 8])
def vectors(request) -> np.ndarray:
    return np.random.default_rng(request.param).standard_cauchy((request.param, 11))


def average(stage, vectors):
    return stage.average(torch.from_numpy(vectors)).numpy()


def test_the_median_is_the_middle_of_each_coordinate(vectors):
    ordered, size = np.sort(vectors, axis=0), len(vectors)
    expected = (ordered[(size - 1) // 2] + ordered[size // 2]) / 2
    np.testing.assert_allclose(average(CoordinateMedian(), vectors), expected)


@pytest.mark.parametrize(("share", "cuts"), [(0.0, (0, 0)), (0.2, (1, 1)), (0.375, (1, 3)), (0.49, (2, 3))])
def test_the_trimmed_mean_leaves_out_the_extremes(vectors, share, cuts):
    ordered, cut = np.sort(vectors, axis=0), cuts[len(vectors) == 8]
    expected = ordered[cut : len(vectors) - cut].mean(0)
    np.testing.assert_allclose(average(TrimmedMean(share), vectors), expected)
    np.testing.assert_allclose(stats.trim_mean(vectors, share, axis=0), expected)


def test_a_share_that_is_whole_but_for_rounding_counts_as_whole():
    vectors = np.random.default_rng(0).normal(size=(100, 2))
    assert int(0.29 * 100) == 28
    expected = np.sort(vectors, axis=0)[29:71].mean(0)
    np.testing.assert_allclose(average(TrimmedMean(0.29), vectors), expected)
    assert np.isfinite(average(TrimmedMean(np.nextafter(0.5, 0)), vectors)).all()


def brute_force_scores(vectors, f):
    """Least sum of squared distances over all sets of n - f - 2 others."""
    size = len(vectors)
    return [
        min(
            sum(np.sum((vectors[i] - vectors[j]) ** 2) for j in chosen)
            for chosen in itertools.combinations([j for j in range(size) if j != i], size - f - 2)
        )
        for i in range(size)
    ]


@pytest.mark.parametrize("f", [0, 1])
@pytest.mark.parametrize("m", [1, 3, None])
def test_krum_is_its_definition(vectors, f, m):
    best = np.argsort(brute_force_scores(vectors, f), kind="stable")[: len(vectors) - f if m is None else m]
    np.testing.assert_allclose(average(MultiKrum(f, m), vectors), vectors[best].mean(0))
    if m == 1:
        np.testing.assert_array_equal(average(Krum(f), vectors), vectors[best[0]])


def test_far_from_the_origin_krum_still_tells_answers_apart():
    vectors = 1e6 + np.array([[0.0], [1e-3], [2e-3], [3e-3], [5e-2]])
    assert average(Krum(0), vectors)[0] == vectors[1, 0]


def test_claims_of_examples_do_not_matter_but_of_none():
    claims = [1.0, 1e9, 3.0, 0.0]
    answers = {
        k: Message(
            {"w": torch.tensor([float(k), -1.0]), "count": torch.tensor(k)}, {"num_examples": claim, "loss": float(k)}
        )
        for k, claim in enumerate(claims)
    }
    combined = CoordinateMedian().combine(answers, {})
    assert list(combined) == [0]
    assert combined[0].arrays["w"].tolist() == [1, -1]  # of 0, 1 and 2
    assert combined[0].arrays["w"].dtype == torch.float32
    assert combined[0].arrays["count"] == 0
    assert combined[0].metrics["num_examples"] == 1e9 + 4
    assert CoordinateMedian().combine({3: answers[3]}, {}) == {3: answers[3]}


def test_wrong_numbers_are_named():
    for share in (-0.1, 0.5):
        with pytest.raises(ValueError, match=r"share: expected one in \[0, 0.5\), got"):
            TrimmedMean(share)
    with pytest.raises(ValueError, match="num_byzantine: expected at least 0, got -1"):
        Krum(-1)
    with pytest.raises(ValueError, match="num_selected: expected at least 1, or None, got 0"):
        MultiKrum(1, 0)
    with pytest.raises(TooFewClientsError, match=r"Krum expected at least 5 answers for num_byzantine 1 .* got 4"):
        average(Krum(1), np.zeros((4, 2)))
    with pytest.raises(TooFewClientsError, match="Krum expected at least 7 answers"):
        average(MultiKrum(1, 7), np.zeros((6, 2)))


def federation(stages, clients, rounds=40, engine=None) -> float:
    """Test accuracy of a federation on four classes, 0.25 by chance."""
    module = NodeDataModule.from_data(contextual_sbm(3000, 4, 16, seed=1), self_loops=True)
    source = source_of(module)
    source.deal(RandomPartitioner(clients)(source.items()), None, 0)
    torch.manual_seed(0)
    task = NodeClassificationTask(16, 4, model=functools.partial(GCN, hidden_channels=8, dropout=0.0))
    local = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.3))
    strategy = Uplink(FedAvg(), stages) if stages else FedAvg()
    made = [strategy.client(number, task, source.client_data(number), local) for number in range(clients)]
    server = Client(-1, task, source.server_data(), initial=made[0].initial)
    result = simulate(strategy, made, rounds, engine or VectorisedEngine(), server=server, progress=False)
    assert not result.history.faults, result.history.faults
    return result.history.rounds[-1].metrics["test_accuracy"]


@pytest.fixture(scope="module", params=[(5, [2]), (10, [0, 4, 7])], ids=["1 of 5", "3 of 10"])
def scene(request) -> tuple[int, list[int], float]:
    """Number of clients, the hostile ones, accuracy without them."""
    return *request.param, federation([], request.param[0])


@pytest.mark.parametrize("attack", [SignFlip, GaussianNoise])
def test_hostile_clients_ruin_the_mean_and_not_the_robust_averages(scene, attack):
    """Clients that pull to one side do not break medians and trimmed means, but they bias them."""
    clients, hostile, accuracy = scene
    biased = 0.2 if attack is SignFlip and clients == 10 else 0.08
    assert accuracy > 0.85
    assert federation([attack(hostile)], clients) < accuracy - 0.2
    assert federation([attack(hostile), CoordinateMedian()], clients) > accuracy - biased
    assert federation([attack(hostile), TrimmedMean(len(hostile) / clients)], clients) > accuracy - biased
    assert federation([attack(hostile), MultiKrum(len(hostile))], clients) > accuracy - 0.03
    assert federation([attack(hostile), Krum(len(hostile))], clients) > accuracy - 0.25  # one client's data a round


def test_flipped_labels_are_trained_on_by_the_named_clients_alone(make_clients, graphs):
    strategy = Uplink(FedAvg(), [LabelFlip([1, 2], num_classes=3)])
    for client, graph in zip(make_clients(strategy), graphs, strict=True):
        seen = client.view(client.data)
        assert client.view(client.data) is seen  # the engine knows it again
        expected = graph.y.clone()
        if client.number in (1, 2):
            expected[graph.train_mask] = 2 - expected[graph.train_mask]
        assert torch.equal(seen.data.y, expected)


@pytest.mark.parametrize("engine", [SequentialEngine, VectorisedEngine])
def test_most_labels_flipped_mislead_a_federation(engine):
    assert federation([], 5, 25, engine()) > 0.7
    assert federation([LabelFlip([0, 1, 2, 3], 4)], 5, 25, engine()) < 0.3


def test_labels_of_other_data_cannot_be_flipped(task):
    client = Uplink(FedAvg(), [LabelFlip([0], 3)]).client(0, task, None)
    with pytest.raises(TypeError, match="data: expected NodeData, the graph of a client, got NoneType"):
        client.view(client.data)
