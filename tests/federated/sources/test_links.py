"""Triples at their clients: each one once, in the stage that it had, with its relation."""

import functools

import pytest
import torch

from graphml.data import LinkDataModule
from graphml.federated import (
    Client,
    DirichletPartitioner,
    FedAvg,
    GroupPartitioner,
    Message,
    Partition,
    Schedule,
    simulate,
)
from graphml.federated.client_data import STAGES
from graphml.federated.protocols import protocol_named
from graphml.federated.sources import LinkSource, source_of
from graphml.federated.weights import weights_of
from graphml.models import DistMult, RGCNDistMult
from graphml.tasks import LinkPredictionTask
from graphml.tasks.link_prediction import messages, triples_of


@pytest.fixture
def source(knowledge_graph) -> LinkSource:
    made = source_of(LinkDataModule.from_data(knowledge_graph, batch_size=5))
    made.deal(GroupPartitioner("relation", num_clients=None)(made.items()), None, seed=0)
    return made


@pytest.fixture(params=[DistMult, RGCNDistMult])
def task(request) -> LinkPredictionTask:
    torch.manual_seed(0)
    return LinkPredictionTask(12, 3, functools.partial(request.param, hidden_channels=4), num_negatives=2)


def triples(graph, stage: str) -> list[list[int]]:
    return triples_of(graph, stage).tolist()


@pytest.mark.parametrize("stage", STAGES)
def test_every_triple_has_one_client_and_keeps_its_stage(source, knowledge_graph, stage):
    for data in (source.client_data, source.evaluation_data):
        parts = [triples(data(number).data, stage) for number in range(3)]
        assert sorted(triple for part in parts for triple in part) == sorted(triples(knowledge_graph, stage))
        assert [data(number).num_examples(stage) for number in range(3)] == [len(part) for part in parts]
        assert [{relation for _, relation, _ in part} for part in parts] == [{0}, {1}, {2}]
    assert triples(source.server_data().data, stage) == triples(knowledge_graph, stage)


def test_a_client_holds_nothing_of_the_others(source, knowledge_graph):
    data = source.client_data(1).data
    assert data.num_nodes == 12  # entities have their numbers everywhere
    assert torch.equal(data.edge_index, knowledge_graph.edge_index[:, 12:24])
    assert data.edge_type.tolist() == [1] * 12


def test_it_is_evaluated_with_its_own_messages_and_everyones_filter(source, knowledge_graph):
    own, evaluated = source.client_data(2).data, source.evaluation_data(2).data
    assert all(torch.equal(*pair) for pair in zip(messages(own), messages(evaluated), strict=True))
    assert torch.equal(evaluated.edge_index, knowledge_graph.edge_index)


def test_items_are_labelled_by_relation(source, knowledge_graph):
    items = source.items()
    assert torch.equal(items.labels, knowledge_graph.edge_type)
    assert torch.equal(items.groups["relation"], knowledge_graph.edge_type)
    partition = DirichletPartitioner(2, alpha=0.5)(items)
    assert torch.cat(partition.members).sort().values.tolist() == list(range(36))


def test_training_visits_each_triple_in_an_order_of_the_generator(source):
    data = source.client_data(0)

    def order(seed: int | None) -> list[list[int]]:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return [triple for batch in data.batches("train", generator) for triple in triples(batch, "train")]

    assert order(None) == triples(data.data, "train")
    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(None))
    assert [len(batch.seeds) for batch in data.batches("train")] == [5, 3]
    assert "seeds" not in data.data


def test_a_stage_without_triples_has_no_batch(source):
    source.deal(Partition([torch.arange(4)], num_items=36), None, seed=0)  # all four are for training
    assert list(source.client_data(0).batches("val")) == list(source.evaluation_data(0).batches("test")) == []
    assert source.client_data(0).num_examples("train") == 4


def test_the_clients_ranks_add_up_to_the_servers(source, knowledge_graph):
    task = LinkPredictionTask(12, 3, functools.partial(DistMult, hidden_channels=4))  # it knows of no messages
    request = Message(weights_of(task), config={"round": 1})
    total = Client(-1, task, source.server_data()).evaluate(request).arrays
    arrays = [
        Client(number, task, source.client_data(number), evaluation_data=source.evaluation_data(number))
        .evaluate(request)
        .arrays
        for number in range(3)
    ]
    for name, value in total.items():
        torch.testing.assert_close(torch.stack([each[name] for each in arrays]).sum(0), value)


def test_a_federation_runs(source, task):
    clients = [Client(number, task, source.client_data(number)) for number in range(3)]
    server, schedule = Client(-1, task, source.server_data()), Schedule(monitor="val_mrr")
    result = simulate(FedAvg(), clients, 2, server=server, schedule=schedule, progress=False)
    first, last = result.history.rounds[0], result.history.rounds[-1]
    assert 0 < last.metrics["test_mrr"] <= 1
    assert first.metrics != last.metrics


def test_protocols_are_of_nodes(source):
    with pytest.raises(ValueError, match="protocol: expected none for triples"):
        source.deal(source.partition, protocol_named("fs-g"), seed=0)
