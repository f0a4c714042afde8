"""FedSage+: the exchange, the mended graphs, and training on them."""

import functools

import pytest
import torch

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import (
    Client,
    FedSagePlus,
    GraphsData,
    LocalTraining,
    Message,
    Partition,
    TooFewClientsError,
    simulate,
)
from graphml.federated.message import taken_from, under
from graphml.federated.seeds import derived_seed
from graphml.federated.sources import source_of
from graphml.models import GCN, NeighborGenerator
from graphml.tasks import NodeClassificationTask

SMALL = {"generator_epochs": 5, "hidden_channels": 8, "num_generated": 3}


@pytest.fixture
def module():
    graph = contextual_sbm(num_nodes=60, num_classes=3, num_features=6, average_degree=8, seed=0)
    return NodeDataModule.from_data(graph, self_loops=True, train_fraction=0.5)


def federation(module, strategy, num_clients=3):
    torch.manual_seed(0)
    local = LocalTraining(optimizer=functools.partial(torch.optim.SGD, lr=0.3))
    task = NodeClassificationTask(module.in_channels, module.num_classes, model=functools.partial(GCN, dropout=0.0))
    source = source_of(module)
    owner = torch.arange(module.num_nodes) % num_clients
    source.deal(Partition.from_owner(owner, num_clients, module.raw.edge_index), None, 0)
    clients = [strategy.client(number, task, source.client_data(number), local) for number in range(num_clients)]
    return clients, Client(-1, task, source.server_data(), local)


def run(strategy, clients, server, rounds=1, **options):
    return simulate(strategy, clients, rounds, server=server, progress=False, **options)


def mended(client):
    return client.view(client.data).data


@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
def test_mended_graphs_are_valid(module, self_loops, sparse):
    module = NodeDataModule.from_data(module.raw, self_loops=self_loops, sparse_features=sparse, train_fraction=0.5)
    clients, server = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=1))
    run(strategy, clients, server)
    for client in clients:
        own, graph = client.data.data, mended(client)
        size, extra = own.num_nodes, graph.num_nodes - own.num_nodes
        assert 0 < extra <= 3 * size
        torch.testing.assert_close(graph.x[:size], own.x.to_dense())
        assert graph.x.isfinite().all()
        graph.edge_index.validate()
        source, target = graph.edge_index.as_tensor()
        inside = (source < size) & (target < size)
        assert torch.equal(torch.stack([source, target])[:, inside], own.edge_index.as_tensor())
        joined = (source >= size) & (target < size)
        assert torch.equal(source[joined].sort().values, size + torch.arange(extra))  # one owner each
        assert int((source == target).sum()) == (graph.num_nodes if self_loops else 0)
        degree = target.bincount(minlength=graph.num_nodes).float()
        torch.testing.assert_close(graph.edge_weight, (degree[source] * degree[target]).rsqrt())
        for stage in ("train", "val", "test"):
            assert torch.equal(graph[f"{stage}_mask"][:size], own[f"{stage}_mask"])
            assert not graph[f"{stage}_mask"][size:].any()
        assert (graph.y[size:] == -1).all()


def test_no_features_are_sent(module):
    clients, _ = federation(module, strategy := FedSagePlus(**SMALL))
    strategy.initialize({}, 3)
    reply = clients[0].fit(strategy.configure_fit(1 - strategy.preparation, [0])[0])
    shapes = {name: list(array.shape) for name, array in reply.arrays.items()}
    lost = len(reply.arrays["missing"])
    assert 0 < lost <= 10
    assert shapes == {
        "embedding": [lost, 8],
        "missing": [lost],
        "decoder/0.weight": [8, 8],
        "decoder/0.bias": [8],
        "decoder/2.weight": [6, 8],
        "decoder/2.bias": [6],
    }


def test_gradients_are_those_of_the_distance_to_the_judges_nodes(module):
    clients, _ = federation(module, strategy := FedSagePlus(**SMALL))
    strategy.initialize({}, 3)
    first = 1 - strategy.preparation
    replies = {k: clients[k].fit(request) for k, request in strategy.configure_fit(first, [0, 1, 2]).items()}
    strategy.aggregate_fit(first, replies)
    requests = strategy.configure_fit(first + 1, [0, 1, 2])
    assert {name.split("/")[0] for name in requests[1].arrays} == {"0", "2"}
    reply = clients[1].fit(requests[1])
    assert strategy.check(first + 1, reply) is None

    made = NeighborGenerator(6, 8)
    sent = taken_from("0", requests[1].arrays)
    made.decoder.load_state_dict(taken_from("decoder", sent))
    noise = torch.Generator().manual_seed(derived_seed(0, first + 1, 1))
    generated = made.decode(sent["embedding"], sent["missing"].clamp(max=3), noise)
    distances = torch.cdist(generated, clients[1].data.data.x).square() / 6
    (distances.min(1).values.sum() / len(sent["missing"])).backward()
    for name, parameter in made.decoder.named_parameters():
        torch.testing.assert_close(reply.arrays[f"0/{name}"], parameter.grad)


def test_the_judgement_is_averaged_and_weighted(module):
    clients, _ = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=1))
    strategy.initialize({}, 3)
    parts = [under("1", {"2.bias": torch.full((6,), 2.0)}), {}, under("1", {"2.bias": torch.full((6,), 4.0)})]
    strategy.aggregate_fit(-1, {k: Message(part) for k, part in enumerate(parts)})
    assert torch.equal(strategy.memory["1/2.bias"], torch.full((6,), 3.0))
    assert strategy.configure_fit(0, [0])[0].arrays == {}

    start = clients[1].fit(strategy.configure_fit(-2, [1])[1]).arrays["decoder/2.bias"]
    before, options = dict(clients[1].memory), strategy.options | {"round": -4, "step": "improve", "last": False}
    ends = []
    for weight, slope in ((0.0, 1e6), (1.0, 1e6), (1.0, -1e6)):
        clients[1].memory = dict(before)
        request = Message({"2.bias": torch.full((6,), slope)}, config=options | {"cross_weight": weight})
        ends.append(clients[1].fit(request).arrays["decoder/2.bias"])
    assert (ends[1] < start).all()
    assert (ends[2] > start).all()
    assert not torch.equal(ends[0], ends[1])


def distance_to_others(strategy, clients, author):
    """What the others would say of the decoder that a client has shown last, with one noise for all decoders."""
    shown = taken_from(str(author), strategy.memory)
    made = NeighborGenerator(6, 8)
    made.decoder.load_state_dict(taken_from("decoder", shown))
    seen, noise = (shown["embedding"], shown["missing"]), torch.Generator()
    others = [client.data.data.x for client in clients if client.number != author]
    return sum(made.feature_loss(*seen, x, noise.manual_seed(0)).item() for x in others)


def test_judgement_brings_generated_features_nearer_to_the_others(module):
    distances = []
    for weight in (0.0, 50.0):
        clients, _ = federation(module, strategy := FedSagePlus(5, 8, hidden_channels=8, cross_weight=weight))
        strategy.initialize({}, 3)
        for round in range(1 - strategy.preparation, -1):  # all but the last exchange
            requests = strategy.configure_fit(round, [0, 1, 2])
            strategy.aggregate_fit(round, {k: clients[k].fit(request) for k, request in requests.items()})
            if round == -2:
                distances.append([distance_to_others(strategy, clients, k) for k in range(3)])
    assert all(judged < alone for alone, judged in zip(*distances, strict=True))


def test_it_is_deterministic_and_leaves_only_what_was_generated(module):
    results = []
    for _ in range(2):
        clients, server = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=2))
        results.append(run(strategy, clients, server, rounds=3))
        assert clients[0].memory.keys() == {"mended/x", "mended/owner"}
        assert strategy.memory == {}
        torch.rand(5)  # the global stream does not matter
    assert results[0].history.faults == []
    for name, value in results[0].last_state.items():
        assert torch.equal(results[1].last_state[name], value)


def test_it_goes_on_from_a_checkpoint(module, tmp_path):
    make = functools.partial(FedSagePlus, **SMALL, generator_rounds=1)
    straight = run(strategy := make(), *federation(module, strategy), rounds=4)
    run(strategy := make(), *federation(module, strategy), rounds=2, checkpoint=tmp_path / "c.pt")
    resumed = run(
        strategy := make(), *federation(module, strategy), rounds=4, checkpoint=tmp_path / "c.pt", resume=True
    )
    for name, value in straight.last_state.items():
        assert torch.equal(resumed.last_state[name], value)


@pytest.mark.parametrize(("rounds", "num_clients"), [(0, 3), (2, 1)])
def test_it_needs_no_exchange_and_no_others(module, rounds, num_clients):
    clients, server = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=rounds), num_clients)
    result = run(strategy, clients, server)
    assert result.history.faults == []
    assert all(mended(client).num_nodes > client.data.data.num_nodes for client in clients)


def test_all_bytes_of_the_exchange_are_counted(module):
    clients, server = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=0))
    row = run(strategy, clients, server).history.rounds[0]
    assert row.bytes_up == sum(client.acknowledge().num_bytes for client in clients)
    clients, server = federation(module, strategy := FedSagePlus(**SMALL, generator_rounds=1))
    assert run(strategy, clients, server).history.rounds[0].bytes_down > 6 * 4 * (8 * 8 + 8 + 6 * 8 + 6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"embedding": torch.ones(2, 3)}, r"sent embedding of shape \[2, 3\], expected"),
        ({"extra": torch.ones(1)}, "sent decoder/0.bias, .*extra.*, expected"),
        ({"decoder/2.bias": torch.full((6,), torch.nan)}, "sent NaN"),
    ],
)
def test_wrong_generators_are_faults(module, change, told):
    clients, _ = federation(module, strategy := FedSagePlus(**SMALL))
    strategy.initialize({}, 3)
    first = 1 - strategy.preparation
    reply = clients[0].fit(strategy.configure_fit(first, [0])[0])
    assert strategy.check(first, reply) is None
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(strategy.check(first, Message(reply.arrays | change)))


def test_wrong_gradients_are_faults():
    strategy = FedSagePlus()
    strategy.memory = {"1/decoder/2.bias": torch.zeros(6)}
    assert strategy.check(-1, Message({"1/2.bias": torch.zeros(6)})) is None
    assert strategy.check(-1, Message({"1/2.bias": torch.zeros(5)})) == (
        "sent a gradient 1/2.bias of shape [5], which is none of the decoders'"
    )
    assert "7/2.bias" in str(strategy.check(-1, Message({"7/2.bias": torch.zeros(6)})))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"generator_epochs": 0}, "generator_epochs: expected at least 1, got 0"),
        ({"num_generated": 0}, "num_generated: expected at least 1, got 0"),
        ({"hidden_channels": 0}, "hidden_channels: expected at least 1, got 0"),
        ({"generator_rounds": 401}, "generator_rounds: expected 0 to 400, got 401"),
        ({"hidden_fraction": 1.0}, r"hidden_fraction: expected a share in \(0, 1\), got 1.0"),
        ({"generator_lr": 0.0}, "generator_lr: expected a rate above 0, got 0.0"),
        ({"cross_weight": -1.0}, "cross_weight: expected at least 0, got -1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        FedSagePlus(**options)


def test_clients_without_a_graph_are_refused(module):
    clients, server = federation(module, strategy := FedSagePlus(**SMALL))
    clients[1].data = GraphsData({"train": []}, 1)
    with pytest.raises(
        TooFewClientsError, match=r"client 1: .*expected NodeData, the graph of a client, got GraphsData"
    ):
        run(strategy, clients, server)
