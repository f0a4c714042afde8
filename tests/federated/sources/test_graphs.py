"""Graphs at their clients: each one once, in the stage that it had, with its label."""

import functools

import pytest
import torch

from graphml.data import GraphDataModule, MultiGraphDataModule
from graphml.federated import (
    Client,
    DirichletPartitioner,
    FedAvg,
    GroupPartitioner,
    Local,
    LocalTraining,
    Message,
    simulate,
)
from graphml.federated.client_data import STAGES
from graphml.federated.protocols import protocol_named
from graphml.federated.sources import GraphSource, source_of
from graphml.federated.weights import weights_of
from graphml.models import GINGraphClassifier
from graphml.tasks import GraphClassificationTask


@pytest.fixture
def module(rings_and_stars) -> GraphDataModule:
    return GraphDataModule.from_graphs(rings_and_stars, train_fraction=0.5, val_fraction=0.2, batch_size=4)


@pytest.fixture
def source(module) -> GraphSource:
    made = source_of(module)
    made.deal(DirichletPartitioner(3, alpha=1.0, min_size=4)(made.items()), None, seed=0)
    return made


@pytest.fixture
def task() -> GraphClassificationTask:
    torch.manual_seed(0)
    return GraphClassificationTask(3, 2, functools.partial(GINGraphClassifier, hidden_channels=4, dropout=0.0))


def held(data, stage: str) -> list[float]:
    """A number that tells each graph of a stage from the others."""
    graphs = [graph for batch in data.batches(stage) for graph in batch.to_data_list()]
    assert len(graphs) == data.num_examples(stage)
    return [float(graph.x[0, 1]) for graph in graphs]


def test_every_graph_has_one_client_and_keeps_its_stage(source, module):
    for stage in STAGES:
        parts = [held(source.client_data(number), stage) for number in range(3)]
        expected = [float(module.graphs[number].x[0, 1]) for number in getattr(module.split, stage)]
        assert sorted(mark for part in parts for mark in part) == sorted(expected)
        assert held(source.server_data(), stage) == expected


def test_items_have_labels_and_domains(module, rings_and_stars):
    items = source_of(module).items()
    assert torch.equal(items.labels, module.labels)
    assert items.groups["domain"].tolist() == [0] * 40
    two = source_of(MultiGraphDataModule.from_graphs([rings_and_stars[:20], rings_and_stars[20:]]))
    assert two.items().groups["domain"].tolist() == [0] * 20 + [1] * 20
    partition = GroupPartitioner("domain", num_clients=None)(two.items())
    assert [members.tolist() for members in partition.members] == [list(range(20)), list(range(20, 40))]


def test_labels_go_with_their_graphs(source, module):
    for number, members in enumerate(source.partition.members):
        data = source.client_data(number)
        labels = [graph.y for stage in STAGES for batch in data.batches(stage) for graph in batch.to_data_list()]
        assert torch.cat(labels).bincount(minlength=2).equal(module.labels[members].bincount(minlength=2))


def test_training_visits_each_graph_in_an_order_of_the_generator(source):
    data = source.client_data(0)
    first, again, other = (held_in_order(data, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(first) == sorted(held(data, "train"))


def held_in_order(data, seed: int) -> list[float]:
    batches = data.batches("train", torch.Generator().manual_seed(seed))
    return [float(graph.x[0, 1]) for batch in batches for graph in batch.to_data_list()]


def test_the_clients_own_counts_add_up_to_the_servers(source, task):
    request = Message(weights_of(task), config={"round": 1})
    total = Client(-1, task, source.server_data()).evaluate(request).arrays
    replies = [
        Client(number, task, source.client_data(number), evaluation_data=source.evaluation_data(number))
        for number in range(3)
    ]
    arrays = [client.evaluate(request).arrays for client in replies]
    for name, value in total.items():
        added = torch.stack([each[name] for each in arrays if name in each]).sum(0)
        torch.testing.assert_close(added, value)


@pytest.mark.parametrize("strategy", [FedAvg(), Local()], ids=["fedavg", "local"])
def test_a_federation_learns_rings_from_stars(source, task, strategy):
    local = LocalTraining(2, functools.partial(torch.optim.Adam, lr=0.02))
    initial = weights_of(task)
    clients = [
        strategy.client(number, task, source.client_data(number), local, source.evaluation_data(number), 0, initial)
        for number in range(3)
    ]
    server = Client(-1, task, source.server_data())
    result = simulate(strategy, clients, 8, server=server, progress=False)
    assert result.history.best.metrics["test_accuracy"] >= 0.8


def test_protocols_are_of_nodes(source):
    with pytest.raises(ValueError, match="protocol: expected none for graphs"):
        source.deal(source.partition, protocol_named("fs-g"), seed=0)
