"""DP-SGD whose examples are nodes."""

import functools
import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.utils import subgraph

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import FedAvg, GraphsData, LocalTraining, Message, NodeData, Uplink, VectorisedEngine
from graphml.federated.engines.vectorised import why_not
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.balls import balls, bounded_degree
from graphml.federated.privacy.node_dp_sgd import NodeDPSGD, add_all_clipped
from graphml.federated.privacy.update import flat_update
from graphml.models import GCN, GIN
from graphml.tasks import NodeClassificationTask

SGD = functools.partial(torch.optim.SGD, lr=0.2)


def client_of(graph, stage, layers=2, epochs=1, model=None, task=None):
    torch.manual_seed(0)
    model = model or functools.partial(GCN, hidden_channels=4, num_layers=layers, dropout=0.0)
    task = task or NodeClassificationTask(6, 3, model=model)
    strategy = Uplink(FedAvg(), [stage])
    return strategy.client(0, task, NodeData(graph), LocalTraining(epochs, SGD))


def sums(client):
    client.task.load_state_dict(client.initial)
    total, size = client.clipped_sum(list(client.task.parameters()), torch.Generator())
    return torch.cat([value.flatten() for value in total]), size


def node_gradients(task, graph):
    """Gradient of each training node's loss on a whole graph, one backward pass each."""
    losses = task.node_losses(task.network, graph, torch.Generator())["loss"]
    parameters = list(task.parameters())
    each = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    return torch.stack([torch.cat([value.flatten() for value in one]) for one in each])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_are_those_of_the_whole_graph(layers, sparse):
    # With a hop to spare and no bound on degrees, a ball is all that a node's loss reads.
    source = contextual_sbm(num_nodes=40, num_classes=3, num_features=6, average_degree=4, seed=0)
    graph = NodeDataModule.from_data(source, self_loops=True, train_fraction=0.5, sparse_features=sparse).data
    client = client_of(graph, NodeDPSGD(0.3, 1.0, max_degree=40, hops=layers + 1), layers)
    total, size = sums(client)
    gradients = node_gradients(client.task, graph)
    wanted = (gradients * (0.3 / gradients.norm(dim=1, keepdim=True)).clamp(max=1)).sum(0)
    assert size == int(graph.train_mask.sum())
    torch.testing.assert_close(total, wanted, rtol=1e-4, atol=1e-5)


def test_without_noise_clipping_and_bound_it_is_sgd(make_clients, run_uplink, graphs):
    local = {"local": LocalTraining(3, SGD)}
    plain = run_uplink(FedAvg(), make_clients(FedAvg(), **local))
    strategy = Uplink(FedAvg(), [NodeDPSGD(math.inf, 0.0, max_degree=100, hops=3, steps=3)])
    private = run_uplink(strategy, make_clients(strategy, local=LocalTraining(1, SGD)))
    for name, value in plain.last_state.items():
        torch.testing.assert_close(private.last_state[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("max_degree", "hops"), [(3, 0), (3, 1), (2, 2)])
def test_one_node_less_moves_the_sum_by_at_most_the_sensitivity(graphs, max_degree, hops):
    whole = graphs[0]
    edges = bounded_degree(whole.edge_index, whole.num_nodes, max_degree, torch.Generator().manual_seed(0))
    stage = NodeDPSGD(0.1, 1.0, max_degree, hops)
    reference, _ = sums(client_of(part(whole, edges), stage, layers=max(1, hops)))
    moved = []
    for gone in range(whole.num_nodes):
        rest = torch.arange(whole.num_nodes) != gone
        kept, _ = subgraph(rest, edges, relabel_nodes=True)
        client = client_of(part(whole, kept, rest), stage, layers=max(1, hops))
        moved.append(float((sums(client)[0] - reference).norm()))
    assert stage.sensitivity == 2 * 0.1 * sum(max_degree**hop for hop in range(hops + 1))
    assert 0 < max(moved) <= stage.sensitivity
    if hops == 0:  # a node by itself: its own gradient, of norm C
        assert max(moved) <= 0.1 * (1 + 1e-4)


def part(graph, edges, nodes=slice(None)):
    """A graph with other edges, of degrees within the bound already, and some of its nodes."""
    out = Data(x=graph.x[nodes], y=graph.y[nodes], edge_index=edges)
    out.train_mask, out.val_mask, out.test_mask = (graph[f"{stage}_mask"][nodes] for stage in ("train", "val", "test"))
    return out


def test_a_star_shows_that_neighbours_count(graphs):
    # The hub of a star changes the gradients of all its leaves, so the sum moves by more than its own C.
    leaves = 4
    edges = torch.tensor([[0] * leaves, list(range(1, leaves + 1))])
    x = torch.cat([torch.full((1, 6), 50.0), torch.eye(6)[:leaves]])
    star = Data(x=x, y=torch.zeros(leaves + 1, dtype=torch.long), edge_index=torch.cat([edges, edges.flip(0)], 1))
    star.train_mask = torch.arange(leaves + 1) > 0
    star.val_mask = star.test_mask = ~star.train_mask
    stage = NodeDPSGD(1.0, 1.0, max_degree=leaves, hops=1)
    with_hub, _ = sums(client_of(star, stage, layers=1))
    alone = part(star, torch.empty(2, 0, dtype=torch.long), slice(1, None))
    without, _ = sums(client_of(alone, stage, layers=1))
    assert 1.0 < float((with_hub - without).norm()) <= stage.sensitivity == 10.0


def test_many_gradients_are_clipped_each_as_a_whole():
    gradients = [torch.randn(5, 2, 3), None, torch.randn(5, 4)]
    gradients[0][2], gradients[2][2] = 0, 0  # an example without a gradient
    total = [torch.zeros(2, 3), torch.zeros(1), torch.zeros(4)]
    add_all_clipped(total, gradients, 0.7)
    flat = torch.cat([gradients[0].flatten(1), gradients[2]], 1)
    wanted = sum(row * min(1.0, 0.7 / max(float(row.norm()), 1e-30)) for row in flat)
    torch.testing.assert_close(torch.cat([total[0].flatten(), total[2]]), wanted)
    with pytest.raises(FloatingPointError, match="not finite"):
        add_all_clipped([torch.zeros(1)], [torch.full((2, 1), math.inf)], 1.0)


def test_chunks_make_no_difference(graphs, monkeypatch):
    whole, _ = sums(client_of(graphs[0], NodeDPSGD(0.1, 1.0, hops=2)))
    monkeypatch.setattr("graphml.federated.privacy.node_dp_sgd._STACKED", 300)  # a few nodes at a time
    client = client_of(graphs[0], NodeDPSGD(0.1, 1.0, hops=2))
    torch.testing.assert_close(sums(client)[0], whole)
    assert len(client._chunks) > 1


def test_the_noise_has_the_stated_deviation(graphs):
    def answer(noise):
        client = client_of(graphs[0], NodeDPSGD(0.5, noise, max_degree=3, hops=1))
        return flat_update(client.fit(Message(client.initial, config={"round": 1})), client.initial)

    examples = int(graphs[0].train_mask.sum())
    drawn = (answer(40.0) - answer(0.0)).numpy() / 0.2 * examples  # learning rate
    assert drawn.std() == pytest.approx(40.0 * 2 * 0.5 * 4, rel=0.3)  # sigma 2 C (d + 1); 43 weights


def test_a_private_run_repeats_itself_and_tells_no_loss(make_clients, run_uplink, graphs):
    one_step = LocalTraining(1, SGD)
    first, second = (
        run_uplink(strategy, make_clients(strategy, local=one_step)).last_state
        for strategy in (Uplink(FedAvg(), [NodeDPSGD(1.0, 1.0)]) for _ in range(2))
    )
    for name, value in first.items():
        assert torch.equal(second[name], value)
    client = client_of(graphs[0], NodeDPSGD(1.0, 1.0))
    assert set(client.fit(Message(client.initial, config={"round": 1})).metrics) == {"num_examples", "steps"}


def test_the_bounded_graph_is_drawn_once(graphs):
    client = client_of(graphs[0], NodeDPSGD(0.1, 1.0, max_degree=2))
    sums(client)
    made = client._chunks
    sums(client)
    assert client._chunks is made
    generator = torch.Generator().manual_seed(1)
    assert not torch.equal(bounded_degree(graphs[0].edge_index, 40, 2, generator), graphs[0].edge_index.as_tensor())


def test_the_vectorised_engine_says_that_it_does_not_apply(graphs, make_clients):
    strategy = Uplink(FedAvg(), [NodeDPSGD(1.0, 1.0)])
    clients = make_clients(strategy, local=LocalTraining(1, SGD))
    assert why_not(clients) == "SealedClient trains in a way of its own"
    with pytest.raises(ValueError, match="trains in a way of its own"):
        VectorisedEngine().exchange("fit", clients, {0: Message(clients[0].initial, config={"round": 1})})


def test_epsilon_counts_no_sampling():
    pytest.importorskip("opacus")
    assert NodeDPSGD(1.0, 2.0, steps=3).epsilon(10, 0.1, 1e-5) == rdp_epsilon(2.0, 1.0, 30, 1e-5)


def test_what_is_refused(graphs):
    with pytest.raises(ValueError, match=r"model: expected no BatchNorm.*norm"):
        client_of(graphs[0], NodeDPSGD(1.0, 1.0), model=functools.partial(GIN, hidden_channels=4))
    layer_norm = functools.partial(GIN, hidden_channels=4, norm=nn.LayerNorm)
    with pytest.raises(ValueError, match=r"model: expected layers that can be stacked, but .* is a LayerNorm"):
        client_of(graphs[0], NodeDPSGD(1.0, 1.0), model=layer_norm)
    with pytest.raises(ValueError, match=r"local.epochs: expected 1"):
        client_of(graphs[0], NodeDPSGD(1.0, 1.0), epochs=2)
    task = NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=4))
    strategy = Uplink(FedAvg(), [NodeDPSGD(1.0, 1.0)])
    with pytest.raises(ValueError, match=r"data: expected nodes to classify.*got NodeClassificationTask on GraphsData"):
        strategy.client(0, task, GraphsData({"train": [], "val": [], "test": []}, 1), LocalTraining(1, SGD))


@pytest.mark.parametrize("options", [{"max_degree": 0}, {"hops": -1}])
def test_wrong_numbers(options):
    with pytest.raises(ValueError, match="max_degree and hops: expected at least 1 and at least 0, got"):
        NodeDPSGD(1.0, 1.0, **options)


def test_cora(data_root):
    module = NodeDataModule("Cora", root=str(data_root), split="public", self_loops=True, sparse_features=True)
    client = client_of(
        module.data, NodeDPSGD(1.0, 1.0, max_degree=5, hops=2), task=NodeClassificationTask(1433, 7, model=GCN)
    )
    total, size = sums(client)
    assert size == 140
    assert 0 < float(total.norm()) <= 140
    made = balls(module.data, module.data.edge_index.as_tensor(), torch.tensor([0]), 2)
    assert made[0].num_nodes > 1
