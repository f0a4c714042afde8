"""FED-PUB."""

import functools

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.utils import to_networkx

from graphml.federated import FedPub, GraphsData, LocalTraining, Message
from graphml.federated.algorithms.fedpub import pruned, random_graph, similarity_shares
from graphml.federated.seeds import derived_seed
from graphml.federated.weights import weights_of

REQUEST = {"round": 1}


def fitted(strategy, clients):
    """Answers of all clients to the initial weights."""
    return {client.number: client.fit(Message(client.initial, config=REQUEST)) for client in clients}


def test_shares_are_the_softmax_of_cosines():
    embeddings = np.random.default_rng(0).normal(size=(4, 5))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    weights = np.exp(3.0 * unit @ unit.T)
    shares = similarity_shares(torch.from_numpy(embeddings), 3.0)
    np.testing.assert_allclose(shares.numpy(), weights / weights.sum(1, keepdims=True), rtol=1e-12)


def test_the_embedding_is_the_mean_output_on_the_random_graph(graphs):
    client = graphs(FedPub())[0]
    sent = fitted(FedPub(), [client])[0].arrays
    w = {name: value.numpy() for name, value in client.task.state_dict().items()}  # as they were after training
    for name, mask in client.masks().items():
        np.testing.assert_allclose(w[name], (sent[name] * mask).numpy(), rtol=1e-6)
    graph = random_graph(client.graph, derived_seed(0, 0, -5))
    dense = np.zeros((500, 500))
    dense[tuple(graph.edge_index.numpy())] = graph.edge_weight.numpy()
    hidden = np.maximum(dense @ graph.x.numpy() @ w["encoder.lins.0.weight"].T + w["encoder.biases.0.bias"], 0)
    out = dense @ hidden @ w["encoder.lins.1.weight"].T + w["encoder.biases.1.bias"]
    np.testing.assert_allclose(sent["embedding"].numpy(), out.mean(0), rtol=1e-4, atol=1e-5)


def test_the_random_graph_has_five_parts_and_is_the_same_for_all(graphs):
    first, second = (client.graph for client in graphs(FedPub())[:2])
    one, two, other = random_graph(first, 0), random_graph(second, 0), random_graph(first, 1)
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.edge_index.as_tensor(), two.edge_index.as_tensor())
    assert not torch.equal(one.x, other.x)
    parts = sorted(map(sorted, nx.connected_components(to_networkx(one, to_undirected=True))))
    assert parts == [list(range(100 * k, 100 * k + 100)) for k in range(5)]
    assert 0.09 < one.num_edges / (5 * 100 * 99) < 0.11


def test_without_temperature_all_get_the_plain_mean(graphs):
    strategy = FedPub(tau=0.0)
    clients = graphs(strategy)
    strategy.initialize(clients[0].initial, 3)
    replies = fitted(strategy, clients)
    strategy.aggregate_fit(1, replies)
    for name in clients[0].initial:
        mean = np.mean([reply.arrays[name].double().numpy() for reply in replies.values()], axis=0)
        for client in range(3):
            np.testing.assert_allclose(strategy.average_for(client)[name].numpy(), mean, rtol=1e-6, atol=1e-7)


def test_at_a_high_temperature_each_keeps_its_own(graphs):
    strategy = FedPub(tau=1e9)
    clients = graphs(strategy)
    strategy.initialize(clients[0].initial, 3)
    replies = fitted(strategy, clients)
    strategy.aggregate_fit(1, replies)
    for client, reply in replies.items():
        for name, value in strategy.average_for(client).items():
            torch.testing.assert_close(value, reply.arrays[name], rtol=0, atol=0)


def identical(strategy, task_of, count=3, local=None):
    """Clients with the same graph and no dropout."""
    one = task_of(strategy)[0]
    one.task.encoder.dropout = 0.0
    options = {"initial": one.initial}
    return [strategy.client(k, one.task, one.data, local or one.local, **options) for k in range(count)]


def test_identical_clients_stay_identical_and_are_one_client(graphs, federate):
    strategy, alone = FedPub(), FedPub()
    federate(strategy, identical(strategy, graphs), 3)
    federate(alone, identical(alone, graphs, count=1), 3)
    for name, value in alone.average_for(0).items():
        for client in range(3):
            torch.testing.assert_close(strategy.average_for(client)[name], value, rtol=1e-5, atol=1e-7)


def test_a_step_is_that_of_the_penalised_masked_loss(graphs):
    lr, sparsity, proximal = 0.1, 0.01, 0.5
    strategy = FedPub(sparsity=sparsity, proximal=proximal)
    client = identical(strategy, graphs, 1, LocalTraining(2, functools.partial(torch.optim.SGD, lr=lr)))[0]
    reply = client.fit(Message(client.initial, config=REQUEST))
    w = {name: value.clone().requires_grad_() for name, value in client.initial.items()}
    m = {name: torch.ones_like(value).requires_grad_() for name, value in w.items() if value.dim() > 1}
    data = client.data.data
    for _ in range(2):
        masked = {name: value * m[name] if name in m else value for name, value in w.items()}
        logits = torch.func.functional_call(client.task, masked, (data,))
        loss = torch.nn.functional.cross_entropy(logits[data.train_mask], data.y[data.train_mask])
        loss = loss + sparsity * sum(mask.abs().sum() for mask in m.values())
        loss = loss + proximal * sum((value - client.initial[name]).square().sum() for name, value in w.items())
        leaves = [*w.values(), *m.values()]
        with torch.no_grad():
            for leaf, slope in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
                leaf -= lr * slope
    for name, value in w.items():
        torch.testing.assert_close(reply.arrays[name], value.detach())
    for name, mask in m.items():
        torch.testing.assert_close(client.memory[f"mask/{name}"], mask.detach())


def test_masks_get_sparse_and_small_entries_do_not_count(graphs, federate):
    strategy = FedPub(sparsity=0.5)
    clients = graphs(strategy)
    federate(strategy, clients, 5)  # ten steps of 0.1, each 0.05 towards 0
    masks = clients[0].masks()
    assert sum(int((mask.abs() < 0.5).sum()) for mask in masks.values()) > 0
    weights = clients[0].evaluated(Message(strategy.average_for(0), config=REQUEST))
    for name, mask in masks.items():
        assert torch.equal(weights[name] == 0, mask.abs() < 0.5)
    ones = {"a": torch.tensor([0.1, -0.1, 0.3])}
    assert pruned({"a": torch.ones(3), "b": torch.ones(1)}, ones, 0.2)["a"].tolist() == pytest.approx([0, 0, 0.3])


def test_masks_are_never_sent(graphs, federate, recording):
    strategy = FedPub()
    federate(strategy, graphs(strategy), 2, engine=recording)
    messages = [message for seen in recording.seen for message in seen[2:]]
    assert not any(name.startswith("mask") for message in messages for name in message.arrays)


def test_an_answer_without_an_embedding_is_refused(graphs):
    strategy = FedPub()
    client = graphs(strategy)[0]
    strategy.initialize(client.initial, 1)
    reply = client.fit(Message(client.initial, config=REQUEST))
    assert strategy.check(1, reply) is None
    bare = Message({name: reply.arrays[name] for name in client.initial}, reply.metrics)
    assert strategy.check(1, bare) == "lacks embedding"
    wrong = Message(reply.arrays | {"embedding": torch.tensor([torch.nan])}, reply.metrics)
    assert strategy.check(1, wrong) == "sent NaN or infinity in embedding"
    assert "no message" in strategy.check(1, None)


def test_a_client_needs_a_graph(graphs):
    task = graphs(FedPub())[0].task
    with pytest.raises(TypeError, match="data: expected NodeData, a graph for each client, got GraphsData"):
        FedPub().client(0, task, GraphsData({"train": []}, 1), initial=weights_of(task))


@pytest.mark.parametrize("options", [{"tau": -1.0}, {"sparsity": float("nan")}, {"proximal": float("inf")}], ids=str)
def test_wrong_arguments_are_refused(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}: expected a finite number of at least 0, got {value}"):
        FedPub(**options)


def test_an_embedding_of_another_size_is_left_out_and_ends_nothing(graphs):
    strategy = FedPub()
    clients = graphs(strategy)[:3]
    strategy.initialize(clients[0].initial, 3)
    replies = fitted(strategy, clients)
    good = {number: replies[number] for number in (0, 2)}
    replies[1] = Message(replies[1].arrays | {"embedding": torch.ones(99)}, replies[1].metrics)
    with pytest.warns(UserWarning, match=r"client 1 sent an embedding of shape \(99,\), others \(3,\): left out"):
        strategy.aggregate_fit(1, replies)
    other = FedPub()
    other.initialize(clients[0].initial, 3)
    other.aggregate_fit(1, good)
    assert all(torch.equal(strategy.state[name], other.state[name]) for name in other.state)
    assert strategy.memory.keys() == other.memory.keys()
