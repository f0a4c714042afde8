"""AdaFGL."""

import functools

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import erdos_renyi_graph

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import AdaFGL, FedAvg, GraphsData, LocalTraining, NodeData
from graphml.federated.algorithms.adafgl import homophily_confidence
from graphml.federated.simulation import Schedule, simulate
from graphml.federated.weights import weights_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def complete(parts: list[list[int]]) -> torch.Tensor:
    """Edges between all nodes of different parts."""
    place = {node: number for number, part in enumerate(parts) for node in part}
    return torch.tensor([(i, j) for i in place for j in place if place[i] != place[j]]).t()


def test_two_cliques_are_homophilous():
    edges = torch.cat([complete([[i] for i in range(6)]), complete([[i] for i in range(6, 12)])], dim=1)
    y = torch.tensor([0] * 6 + [1] * 6)
    scores = [homophily_confidence(edges, y, torch.ones(12, dtype=torch.bool), seeded(k)) for k in range(5)]
    assert max(scores) == 1.0  # each clique has a known label
    assert min(scores) >= 0.5


def test_a_bipartite_graph_is_heterophilous():
    edges, y = complete([list(range(6)), list(range(6, 12))]), torch.tensor([0] * 6 + [1] * 6)
    assert homophily_confidence(edges, y, torch.ones(12, dtype=torch.bool), seeded(0)) == 0.0


def test_confidence_is_that_of_dense_label_propagation():
    torch.manual_seed(0)
    edges = erdos_renyi_graph(30, 0.15)
    y, mask = torch.randint(3, (30,)), torch.rand(30) < 0.7
    order = mask.nonzero().squeeze(1)[torch.randperm(int(mask.sum()), generator=seeded(3))].numpy()
    known, held = order[: len(order) // 2], order[len(order) // 2 :]
    adjacency = np.zeros((30, 30))
    adjacency[tuple(edges.numpy())] = 1
    root = np.diag(np.maximum(adjacency.sum(1), 1) ** -0.5)
    first = np.zeros((30, 3))
    first[known, y[known].numpy()] = 1
    labels = first
    for _ in range(10):
        labels = np.clip(0.5 * root @ adjacency @ root @ labels + 0.5 * first, 0, 1)
    right = (labels[held].argmax(1) == y[held].numpy()) & (labels[held].max(1) > 0)
    assert homophily_confidence(edges, y, mask, seeded(3)) == pytest.approx(right.mean())


def test_where_nothing_can_be_told_it_is_a_half():
    none = torch.empty(2, 0, dtype=torch.int64)
    assert homophily_confidence(none, torch.zeros(3, dtype=torch.int64), torch.tensor([1, 0, 0]) > 0, seeded(0)) == 0.5
    assert homophily_confidence(none, torch.zeros(3, dtype=torch.int64), torch.tensor([1, 1, 0]) > 0, seeded(0)) == 0.0


def test_the_first_step_is_fedavg_to_the_last_bit_and_the_second_leaves_its_result(graphs, federate):
    plain = federate(FedAvg(0.7), graphs(FedAvg(), norm=True), 3)
    for rounds in (3, 5):
        strategy = AdaFGL(3, client_fraction=0.7)
        state = federate(strategy, graphs(strategy, norm=True), rounds)
        assert state.keys() == plain.keys()
        assert all(torch.equal(state[name], plain[name]) for name in plain)


def test_the_global_model_is_sent_once_and_no_own_model_ever(graphs, federate, recording):
    strategy = AdaFGL(2, hidden_channels=4)
    clients = graphs(strategy)
    federate(strategy, clients, 5, engine=recording)
    fits = [seen for seen in recording.seen if seen[0] == "fit" and seen[2].config["round"] > 2]
    for number in range(3):
        sent = [bool(request.arrays) for _, client, request, _ in fits if client == number]
        assert sent == [True, False, False]
    assert not any(reply.arrays for *_, reply in fits)
    last = [request for call, _, request, _ in recording.seen if call == "evaluate"][-1]
    assert not last.arrays
    for client in clients:
        assert torch.equal(client.memory["extractor/encoder.lins.0.weight"], strategy.state["encoder.lins.0.weight"])


def heterophilous() -> list[Data]:
    """Three graphs whose edges go between classes."""
    graphs = [contextual_sbm(60, 3, 6, 6.0, homophily=0.05, feature_signal=1.5, seed=k) for k in range(3)]
    return [NodeDataModule.from_data(graph, self_loops=True, train_fraction=0.4).data for graph in graphs]


def run(strategy, rounds, **options):
    torch.manual_seed(0)
    task = NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=8, dropout=0.0), lr=0.02)
    clients = [strategy.client(k, task, NodeData(graph), LocalTraining(3)) for k, graph in enumerate(heterophilous())]
    schedule = Schedule(evaluate_every=4)
    result = simulate(strategy, clients, rounds, progress=False, schedule=schedule, **options)
    assert not result.history.faults
    return result.history.rounds[-1].metrics, clients


def test_on_heterophilous_graphs_own_models_gain():
    average, _ = run(FedAvg(), 24)
    own, clients = run(AdaFGL(12, hidden_channels=16), 24)
    assert max(float(client.memory["homophily"]) for client in clients) < 0.5
    assert own["test_accuracy"] > average["test_accuracy"] + 0.1


def test_a_client_that_was_not_drawn_has_the_global_model(graphs, federate, recording):
    strategy = AdaFGL(1, client_fraction=0.34)
    clients = graphs(strategy)
    federate(strategy, clients, 2, engine=recording)
    trained = ["homophily" in client.memory for client in clients]
    assert sum(trained) == 1
    assert strategy.memory["told"].tolist() == trained
    last = {client: request for call, client, request, _ in recording.seen if call == "evaluate"}
    assert [not last[number].arrays for number in range(3)] == trained


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    def go(rounds, **options):
        metrics, clients = run(AdaFGL(2, hidden_channels=4, client_fraction=0.7), rounds, **options)
        return metrics, {f"{c.number}/{name}": value for c in clients for name, value in c.memory.items()}

    path = tmp_path / "checkpoint.pt"
    metrics, whole = go(5)
    go(3, checkpoint=path)
    again, resumed = go(5, checkpoint=path, resume=True)
    assert metrics == again
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_client_needs_a_graph(graphs):
    task = graphs(AdaFGL())[0].task
    with pytest.raises(TypeError, match="data: expected NodeData, a graph for each client, got GraphsData"):
        AdaFGL().client(0, task, GraphsData({"train": []}, 1), initial=weights_of(task))


def test_the_task_is_node_classification(graphs, quadratics, problem):
    data = graphs(AdaFGL())[0].data
    task = quadratics(FedAvg(), *problem)[0].task
    with pytest.raises(TypeError, match="task: expected NodeClassificationTask, got QuadraticTask"):
        AdaFGL().client(0, task, data)


@pytest.mark.parametrize(
    "options",
    [
        {"federated_rounds": 0},
        {"num_hops": -1},
        {"hidden_channels": 0},
        {"alpha": 1.5},
        {"beta": float("nan")},
        {"dropout": 1.0},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {value}"):
        AdaFGL(**options)
