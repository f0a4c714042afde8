"""FedGCN against dense linear algebra on the whole graph."""

import functools
import re

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import erdos_renyi_graph

from graphml.data import NodeDataModule
from graphml.federated import (
    Client,
    FedAvg,
    FedGCN,
    LocalTraining,
    LouvainPartitioner,
    Message,
    NodeData,
    Partition,
    TooFewClientsError,
    simulate,
)
from graphml.federated.sources import source_of
from graphml.models import GCN, GCNEncoder
from graphml.tasks import NodeClassificationTask


@pytest.fixture
def module():
    """Thirty nodes, two of them isolated, with bags of words."""
    edges = erdos_renyi_graph(28, 0.15)
    x = torch.rand(30, 40) * (torch.rand(30, 40) < 0.05)
    return NodeDataModule.from_data(
        Data(x=x, edge_index=edges, y=torch.arange(30) % 3), self_loops=True, sparse_features=True, train_fraction=0.5
    )


@pytest.fixture
def owner():
    return torch.randint(4, (30,))


def federation(module, owner, strategy, num_layers=2, model=GCN):
    """Clients and the server's evaluator, all with the same initial weights."""
    torch.manual_seed(0)
    local = LocalTraining(optimizer=functools.partial(torch.optim.SGD, lr=0.3))
    options = {"hidden_channels": 5, "num_layers": num_layers, "dropout": 0.0}
    task = NodeClassificationTask(module.in_channels, module.num_classes, model=functools.partial(model, **options))
    source = source_of(module)
    source.deal(Partition.from_owner(owner, int(owner.max()) + 1, module.raw.edge_index), None, 0)
    clients = [
        strategy.client(number, task, source.client_data(number), local) for number in range(int(owner.max()) + 1)
    ]
    return clients, Client(-1, task, source.server_data(), local)


def run(strategy, clients, server, rounds=1, **options):
    return simulate(strategy, clients, rounds, server=server, progress=False, **options)


def propagated(module):
    """Features times the dense normalised adjacency matrix of the whole graph."""
    data = module.data
    matrix = torch.zeros(data.num_nodes, data.num_nodes)
    matrix[data.edge_index[1].as_tensor(), data.edge_index[0].as_tensor()] = data.edge_weight
    return matrix @ module.raw.x


def gradient(task, state, data):
    task.load_state_dict(state)
    task.zero_grad()
    loss, _ = task.loss(task, data, torch.Generator())
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in task.named_parameters()}


def summed_gradient(clients):
    """The clients' gradients at the initial weights, weighted by their training nodes."""
    seen = [client.view(client.data) for client in clients]
    sizes = [data.num_examples("train") for data in seen]
    parts = [gradient(clients[0].task, clients[0].initial, data.data) for data in seen]
    return {name: sum(n * p[name] for n, p in zip(sizes, parts, strict=True)) / sum(sizes) for name in parts[0]}


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("options", [{}, {"self_loops": False}, {"sparse_features": False}])
def test_features_are_those_of_the_whole_graph(module, owner, hops, options):
    options = {"self_loops": True, "sparse_features": True} | options
    module = NodeDataModule.from_data(module.raw, train_fraction=0.5, **options)
    clients, server = federation(module, owner, strategy := FedGCN(hops))
    run(strategy, clients, server)
    expected = propagated(module)
    for client in clients:
        graph = client.data.data
        elsewhere = graph.cut_edge_index[1].unique() if hops == 2 else graph.n_id[:0]
        assert len(elsewhere) > 0 or hops == 1
        torch.testing.assert_close(
            client.view(client.data).data.x.to_dense(), expected[torch.cat([graph.n_id, elsewhere])]
        )


@pytest.mark.parametrize(("hops", "num_layers"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("self_loops", [True, False])
def test_with_as_many_hops_as_layers_gradients_add_up_to_the_central_one(module, owner, hops, num_layers, self_loops):
    module = NodeDataModule.from_data(module.raw, train_fraction=0.5, self_loops=self_loops)
    clients, server = federation(module, owner, strategy := FedGCN(hops), num_layers=num_layers)
    run(strategy, clients, server)
    expected = gradient(clients[0].task, clients[0].initial, server.data.data)
    for name, value in summed_gradient(clients).items():
        torch.testing.assert_close(value, expected[name])


def test_with_too_few_hops_they_do_not(module, owner):
    for strategy in (FedGCN(0), FedGCN(1)):
        clients, server = federation(module, owner, strategy)
        run(strategy, clients, server)
        expected = gradient(clients[0].task, clients[0].initial, server.data.data)
        assert not torch.allclose(summed_gradient(clients)["encoder.lins.1.weight"], expected["encoder.lins.1.weight"])


def test_with_one_hop_deeper_layers_see_the_clients_own_graph(module, owner):
    clients, server = federation(module, owner, strategy := FedGCN(1))
    run(strategy, clients, server)
    for client in clients:
        own, seen = client.data.data, client.view(client.data).data
        assert torch.equal(seen.edge_index.as_tensor(), own.edge_index.as_tensor())
        torch.testing.assert_close(seen.edge_weight[1], own.edge_weight)


def test_two_hops_train_as_the_whole_graph_does(module, owner):
    clients, server = federation(module, owner, strategy := FedGCN(2))
    run(strategy, clients, server, rounds=5)
    central, state = server.task, dict(clients[0].initial)
    for _ in range(5):
        slope = gradient(central, state, server.data.data)
        state = {name: value - 0.3 * slope[name] for name, value in state.items()}
    for name, value in state.items():
        torch.testing.assert_close(strategy.state[name], value)


def test_without_hops_it_is_fedavg(module, owner):
    results = [run(strategy, *federation(module, owner, strategy), rounds=3) for strategy in (FedAvg(), FedGCN(0))]
    for name, value in results[0].last_state.items():
        assert torch.equal(results[1].last_state[name], value)


def test_a_single_client_has_nothing_to_exchange(module):
    results = []
    for strategy in (FedAvg(), FedGCN(2)):
        clients, server = federation(module, torch.zeros(30, dtype=torch.long), strategy)
        results.append(run(strategy, clients, server, rounds=3))
    for name, value in results[0].last_state.items():
        torch.testing.assert_close(results[1].last_state[name], value)


def test_clients_are_evaluated_on_what_they_train_on(module, owner):
    clients, server = federation(module, owner, strategy := FedGCN(2))
    result = run(strategy, clients, None)
    expected = server.evaluate(Message(strategy.state, config={"round": 1})).arrays
    correct, count = int(expected["test/correct"]), int(expected["test/count"])
    assert result.history.rounds[-1].metrics["test_accuracy"] == pytest.approx(correct / count)


def test_other_data_are_left_alone(module, owner):
    clients, server = federation(module, owner, strategy := FedGCN(2))
    run(strategy, clients, server)
    assert clients[0].view(server.data) is server.data
    assert clients[0].view(clients[0].data) is clients[0].view(clients[0].data)


def test_it_goes_on_from_a_checkpoint(module, owner, tmp_path):
    straight = run(strategy := FedGCN(2), *federation(module, owner, strategy), rounds=4)
    run(strategy := FedGCN(2), *federation(module, owner, strategy), rounds=2, checkpoint=tmp_path / "c.pt")
    resumed = run(
        strategy := FedGCN(2),
        *federation(module, owner, strategy),
        rounds=4,
        checkpoint=tmp_path / "c.pt",
        resume=True,
    )
    for name, value in straight.last_state.items():
        assert torch.equal(resumed.last_state[name], value)


def test_the_exchange_is_counted_in_bytes_and_two_hops_cost_more(module, owner):
    rounds = []
    for hops in (0, 1, 2):
        clients, server = federation(module, owner, strategy := FedGCN(hops))
        rounds.append(run(strategy, clients, server).history.rounds[0])
    assert rounds[0].bytes_up == rounds[0].bytes_down == 0
    assert 0 < rounds[1].bytes_up < rounds[2].bytes_up
    assert 0 < rounds[1].bytes_down < rounds[2].bytes_down
    request = Message(config={"round": -1, "hops": 2})
    replies = [client.fit(request) for client in clients]
    kept = sum(client.acknowledge().num_bytes for client in clients)
    assert rounds[2].bytes_up == sum(len(reply.encode()) for reply in replies) + kept


def test_only_sums_are_sent(module, owner):
    clients, _ = federation(module, owner, FedGCN(2))
    arrays = clients[0].fit(Message(config={"round": -1, "hops": 2})).arrays
    names = {name.split("/")[0] for name in arrays}
    assert names == {"nodes", "border", "outside", "sums", "inside", "degree"}
    assert len(arrays["outside"]) == len(clients[0].data.data.cut_edge_index[1].unique())


def test_a_partition_must_deal_every_node_once(module, owner):
    clients, server = federation(module, owner, FedGCN(1))
    source = source_of(module)
    members = [client.data.data.n_id for client in clients]
    for wrong in ([members[0], members[0], *members[2:]], [*members[:3], members[3][:2]]):
        source.deal(Partition(wrong, 30, module.raw.edge_index), None, 0)
        dealt = [FedGCN.client(number, server.task, source.client_data(number)) for number in range(4)]
        with pytest.raises(ValueError, match="expects every node in exactly one client"):
            run(FedGCN(1), dealt, server)


def test_other_models_and_other_data_are_refused(module, owner):
    clients, server = federation(module, owner, strategy := FedGCN(1), model=lambda i, o, **_: GCNEncoder(i, o))
    with pytest.raises(TooFewClientsError, match=r"preparation needs all\n(.|\n)*graphml.models.GCN, got GCNEncoder"):
        run(strategy, clients, server)
    clients, server = federation(module, owner, strategy)
    clients[2].data = NodeData(module.data)
    with pytest.raises(
        TooFewClientsError,
        match=r"3 of 4(.|\n)*client 2(.|\n)*expected a graph with n_id and cut_edge_index, got one with",
    ):
        run(strategy, clients, server)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"nodes": None}, "lacks nodes"),
        ({"degree": None}, "lacks degree"),
        ({"degree": torch.ones(1)}, "sent degree of 1 rows, expected"),
        ({"outside": torch.tensor([3])}, "sent sums of .* rows, expected 1"),
        ({"sums/values": torch.tensor([torch.nan])}, "sent NaN"),
        ({"sums/shape": None}, "sent sums that cannot be read"),
        ({"sums/col": torch.tensor([1], dtype=torch.int32)}, "sent sums that cannot be read"),
    ],
)
def test_wrong_sums_are_faults(module, owner, change, told):
    clients, _ = federation(module, owner, strategy := FedGCN(2))
    reply = clients[0].fit(strategy.configure_fit(-1, [0])[0])
    assert strategy.check(-1, reply) is None
    arrays = {name: value for name, value in (reply.arrays | change).items() if value is not None}
    assert re.match(told, strategy.check(-1, Message(arrays)))


def test_hops_beyond_two_are_refused():
    with pytest.raises(ValueError, match="hops: expected 0, 1 or 2, got 3"):
        FedGCN(3)


def test_cora_is_exact(data_root):
    module = NodeDataModule("Cora", root=str(data_root), split="public", self_loops=True, sparse_features=True)
    source = source_of(module)
    source.deal(LouvainPartitioner(10)(source.items()), None, 0)
    task = NodeClassificationTask(module.in_channels, module.num_classes, model=functools.partial(GCN, dropout=0.0))
    clients = [FedGCN.client(number, task, source.client_data(number)) for number in range(10)]
    server = Client(-1, task, source.server_data())
    result = run(FedGCN(2), clients, server)
    expected = gradient(task, clients[0].initial, server.data.data)
    for name, value in summed_gradient(clients).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)
    assert result.history.rounds[0].bytes_up < 1_000_000  # the features take 15 MB, or 0.6 MB compressed
