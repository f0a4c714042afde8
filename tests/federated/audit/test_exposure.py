"""What can be seen of a federation."""

import dataclasses

import pytest
import torch

from graphml.federated import FedAvg, FedPer, Message, Uplink, UplinkStage
from graphml.federated.audit import Exposure
from graphml.federated.privacy.attacks import connected_nodes, local_update, small_client
from graphml.federated.setup import build, resolve
from graphml.federated.weights import weighted_average


@pytest.fixture
def pieces(exposure):
    generator = torch.Generator().manual_seed(0)
    return [small_client(exposure.graph, connected_nodes(exposure.graph, 9, generator)) for _ in range(3)]


def behind(exposure, *stages):
    """The same federation with stages."""
    setup = dataclasses.replace(exposure.setup, strategy=Uplink(FedAvg(), list(stages)))
    return Exposure(setup, exposure.weights)


class Doubling(UplinkStage):
    def seal(self, answer, sealing):
        arrays = {name: 2 * value - sealing.start[name] for name, value in answer.arrays.items()}
        return Message(arrays, answer.metrics)


class Hiding(UplinkStage):
    hides = True

    def combine(self, answers, shared):
        examples = [answer.metrics["num_examples"] for answer in answers.values()]
        mean = weighted_average([answer.arrays for answer in answers.values()], examples)
        return {0: Message(mean, {"num_examples": sum(examples)})}


def test_the_server_sees_what_a_client_of_fedavg_sends(exposure, pieces):
    setup = exposure.setup
    seen = exposure.updates(pieces, seed=3)
    alone = local_update(setup.task, setup.clients[0].initial, pieces[0], setup.local, seed=3)
    assert all(torch.equal(seen[0][name], alone[name]) for name in alone)
    assert not torch.equal(seen[0]["encoder.lins.0.weight"], seen[1]["encoder.lins.0.weight"])


def test_gradients_are_those_of_the_loss(exposure, pieces):
    task, gradients = exposure.task, exposure.gradients(pieces, seed=0)
    task.load_state_dict(exposure.setup.clients[0].initial)  # all clients train the one task
    for piece, found in zip(pieces, gradients, strict=True):
        task.zero_grad()
        task.loss(task.network, piece, torch.Generator())[0].backward()
        for name, parameter in task.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-6)


def test_it_sees_what_passed_through_the_defence(exposure, pieces):
    plain = exposure.updates(pieces, seed=3)
    doubled = behind(exposure, Doubling()).updates(pieces, seed=3)
    for one, two in zip(plain, doubled, strict=True):
        torch.testing.assert_close(two["encoder.lins.0.weight"], 2 * one["encoder.lins.0.weight"])


@pytest.mark.parametrize("beside", [False, True])
def test_of_hidden_answers_it_sees_what_they_are_combined_to(exposure, pieces, beside):
    hidden = behind(exposure, Doubling(), Hiding()).updates(pieces, seed=3, beside_clients=beside)
    graphs = [*pieces, *(client.data.data for client in exposure.setup.clients)] if beside else pieces
    each = behind(exposure, Doubling()).updates(graphs, seed=3)
    mean = weighted_average(each, [float(graph.train_mask.sum()) for graph in graphs])
    for found in hidden:
        torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-6)


def test_clients_with_models_of_their_own_are_refused(exposure):
    setup = dataclasses.replace(exposure.setup, strategy=FedPer())
    with pytest.raises(ValueError, match="strategy, protocol: expected one global model"):
        Exposure(setup, exposure.weights)
    with pytest.raises(ValueError, match="strategy, protocol: expected one global model"):
        Exposure(dataclasses.replace(exposure.setup, server=None), exposure.weights)


def test_other_tasks_are_refused(exposure):
    data = {"class_path": "graphml.data.NodeDataModule", "init_args": {"name": "digits", "self_loops": True}}
    config = {
        "data": data,
        "model": {"class_path": "graphml.tasks.ContrastiveTask"},
        "partitioner": {"class_path": "graphml.federated.LouvainPartitioner", "init_args": {"num_clients": 2}},
        "strategy": {"class_path": "graphml.federated.FedAvg"},
    }
    with pytest.raises(ValueError, match=r"model: expected a NodeClassificationTask, .* got ContrastiveTask"):
        Exposure(build(resolve([config])), {})


def test_gradients_need_sgd(exposure, pieces):
    local = dataclasses.replace(exposure.setup.local, optimizer=torch.optim.Adam)
    with pytest.raises(ValueError, match=r"local\.optimizer: expected torch\.optim\.SGD, got Adam"):
        Exposure(dataclasses.replace(exposure.setup, local=local), exposure.weights).gradients(pieces, seed=0)
