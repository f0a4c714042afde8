"""GCFL+."""

import functools
import itertools

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import FedAvg, GCFLPlus, LocalTraining, NodeData, Schedule, simulate
from graphml.federated.algorithms.gcflplus import bipartition, dtw_distances
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask


def warped(a, b) -> float:
    """Squared distance by trying all ways to the end."""
    rest = [(a[i:], b[j:]) for i, j in ((1, 0), (0, 1), (1, 1)) if len(a) > i and len(b) > j]
    return (a[0] - b[0]) ** 2 + min((warped(*pair) for pair in rest), default=0.0)


def lightest_cut(weights) -> float:
    """Weight of the lightest cut, by trying all."""
    count = len(weights)
    sides = [np.array((False, *side)) for side in itertools.product([False, True], repeat=count - 1) if any(side)]
    return min(float(weights[np.ix_(side, ~side)].sum()) for side in sides)


def test_distances_are_those_of_the_best_alignment():
    sequences = np.random.default_rng(0).normal(size=(4, 5))
    expected = [[np.sqrt(warped(a, b)) for b in sequences] for a in sequences]
    np.testing.assert_allclose(dtw_distances(sequences), expected, atol=1e-12)


def test_a_delayed_sequence_is_near():
    late = np.array([[0.0, 0.0, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 0.0, 0.0]])
    np.testing.assert_allclose(dtw_distances(late), 0, atol=1e-12)


def test_the_cut_is_the_lightest():
    sequences = np.random.default_rng(1).normal(size=(6, 3))
    part = bipartition(sequences)
    distances = dtw_distances(sequences)
    weights = distances.max() - distances
    side = np.isin(np.arange(6), part)
    assert 0 not in part
    assert float(weights[np.ix_(side, ~side)].sum()) == pytest.approx(lightest_cut(weights))


def test_the_cut_parts_two_groups():
    sequences = np.array([[1.0, 0.9, 0.8], [5.0, 4.0, 4.1], [1.1, 0.9, 0.7], [0.9, 0.9, 0.8], [5.1, 4.2, 4.0]])
    assert bipartition(sequences) == [1, 4]


def test_without_a_split_every_cluster_is_fedavg_to_the_last_bit(graphs, federate):
    plain = federate(FedAvg(0.7), graphs(FedAvg(), norm=True), 4)
    strategy = GCFLPlus(eps1=0.0, window=1, client_fraction=0.7)
    state = federate(strategy, graphs(strategy, norm=True), 4)
    assert strategy.assignment.tolist() == [0, 0, 0]
    for name, value in plain.items():
        assert torch.equal(strategy.cluster(0)[name], value)
        assert torch.equal(state[name], value)


def split_quadratics() -> tuple[np.ndarray, np.ndarray]:
    """Four clients whose optimum is 1, and among them two whose is -1."""
    signs = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])
    return np.ones((6, 2)), np.repeat(signs[:, None], 2, axis=1)


def test_a_split_waits_until_the_cluster_is_at_rest_and_the_sequences_are_whole(quadratics, federate, recording):
    a, b = split_quadratics()
    strategy = GCFLPlus(eps1=0.02, eps2=0.05, window=4)
    clients = quadratics(strategy, a, b)
    federate(strategy, clients, 40, engine=recording)
    # A cluster's weights w take w <- w + 0.1 (mean b - w), and the mean update's norm is 0.1 |mean b - w| sqrt(2).
    w, clusters = np.zeros(6), np.zeros(6, dtype=int)
    for number in range(1, 41):
        sent = [m.arrays["w"] for call, _, m, _ in recording.seen if call == "fit" and m.config["round"] == number]
        np.testing.assert_allclose(torch.stack(sent).numpy(), np.repeat(w[:, None], 2, axis=1), rtol=1e-9)
        mean = b[:, 0].mean()
        rest = 0.1 * abs(mean - w[0]) * np.sqrt(2)
        if clusters.max() == 0 and number >= 4 and rest < 0.02:
            clusters = (b[:, 0] < 0).astype(int)
        for cluster in set(clusters):
            chosen = clusters == cluster
            w[chosen] = np.mean(w[chosen] + 0.1 * (b[chosen, 0] - w[chosen]))
    assert strategy.assignment.tolist() == clusters.tolist() == [0, 1, 0, 0, 1, 0]
    np.testing.assert_allclose(strategy.cluster(1)["w"].numpy(), w[1], rtol=1e-9)


def test_norms_are_those_of_the_updates(quadratics, problem, federate):
    a, b = problem
    strategy = GCFLPlus(eps1=0.0, window=3)
    federate(strategy, quadratics(strategy, a, b), 2)
    first = 0.1 * a * b
    second = 0.1 * a * (b - first.mean(0))
    expected = np.stack([np.full(4, np.nan), np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)], axis=1)
    np.testing.assert_allclose(strategy.memory["norms"].numpy(), expected, rtol=1e-10)


def test_statistics_that_are_shared_before_the_first_round_reach_the_clients():
    strategy = GCFLPlus()
    strategy.initialize({"w": torch.zeros(2), "mean": torch.zeros(1)}, 3, ["w"])
    strategy.state |= {"mean": torch.ones(1)}
    requests = strategy.configure_fit(1, range(3))
    assert all(float(request.arrays["mean"]) == 1 for request in requests.values())


def test_two_clients_stay_together(quadratics, problem, federate):
    strategy = GCFLPlus(eps1=10.0, eps2=0.0, window=1)
    federate(strategy, quadratics(strategy, *(part[:2] for part in problem)), 3)
    assert strategy.assignment.tolist() == [0, 0]


def test_clients_that_are_not_drawn_keep_their_place_and_their_norms(quadratics, problem, federate):
    strategy = GCFLPlus(eps1=0.0, window=5, client_fraction=0.5)
    federate(strategy, quadratics(strategy, *problem), 3)
    drawn = np.zeros(4)
    for number in range(1, 4):
        drawn[strategy.sample(number, range(4), 0)] += 1
    assert (~strategy.memory["norms"].isnan()).sum(1).tolist() == drawn.tolist()


@pytest.fixture
def permuted() -> list[Data]:
    """Five clients on one graph, with training nodes of their own; clients 1 and 3 call the classes otherwise."""
    out = []
    for number in range(5):
        graph = contextual_sbm(60, 3, 6, 6.0, seed=0)
        if number in (1, 3):
            graph.y = (graph.y + 1) % 3
        out.append(NodeDataModule.from_data(graph, self_loops=True, train_fraction=0.4, split_seed=number).data)
    return out


def run_permuted(strategy, graphs, rounds=30, **options):
    torch.manual_seed(0)
    task = NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=8, dropout=0.0))
    local = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.3))
    clients = [strategy.client(number, task, NodeData(graph), local) for number, graph in enumerate(graphs)]
    return simulate(strategy, clients, rounds, progress=False, schedule=Schedule(evaluate_every=10), **options)


def test_clients_that_call_classes_otherwise_are_parted_and_gain(permuted):
    strategy = GCFLPlus(eps1=0.1, eps2=0.2, window=5)
    history = run_permuted(strategy, permuted).history
    average = run_permuted(FedAvg(), permuted).history
    assert strategy.assignment.tolist() == [0, 1, 0, 1, 0]
    assert history.rounds[-1].metrics["test_accuracy"] > average.rounds[-1].metrics["test_accuracy"] + 0.15


def test_a_resumed_run_is_the_uninterrupted_one(permuted, tmp_path):
    options = {"eps1": 0.1, "eps2": 0.2, "window": 5, "client_fraction": 0.8}
    runs = []
    for resumed in (False, True):
        strategy = GCFLPlus(**options)
        if resumed:
            run_permuted(GCFLPlus(**options), permuted, 7, checkpoint=tmp_path / "a.pt")
        result = run_permuted(strategy, permuted, 14, checkpoint=tmp_path / "a.pt" if resumed else None, resume=resumed)
        runs.append((result, strategy))
    (one, first), (two, second) = runs
    assert int(first.assignment.max()) > 0
    metrics = [{row.round: row.metrics for row in run.history.evaluated} for run in (one, two)]
    assert metrics[0] == {round: metrics[1][round] for round in metrics[0]}  # where it stopped, it was evaluated too
    assert first.memory.keys() == second.memory.keys()
    for name, value in first.memory.items():
        torch.testing.assert_close(second.memory[name], value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "options", [{"eps1": -0.1}, {"eps2": float("nan")}, {"window": 0}, {"client_fraction": 0.0}], ids=str
)
def test_wrong_arguments_are_refused(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {value}"):
        GCFLPlus(**options)
