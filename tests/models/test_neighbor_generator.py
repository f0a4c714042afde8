"""The generator of neighbours, its loss and the graph that it learns from, against loops."""

import networkx as nx
import pytest
import torch
from torch_geometric.utils import from_networkx

from graphml.models.neighbor_generator import NeighborGenerator, hide_nodes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pairs():
    """Three complete bipartite graphs of 8 and 8 nodes: the side and the graph are all that a feature says."""
    edges = from_networkx(nx.disjoint_union_all([nx.complete_bipartite_graph(8, 8)] * 3)).edge_index
    return torch.eye(6)[torch.arange(6).repeat_interleave(8)], edges


@pytest.mark.parametrize("limited", [True, False])
def test_the_loss_is_the_distance_to_the_nearest_target(limited):
    model, z, targets = NeighborGenerator(5, 6), torch.randn(4, 6), torch.randn(7, 5)
    copies, allowed = torch.tensor([1, 2, 3, 2]), torch.rand(4, 7) < 0.5
    allowed[:, 0] = True
    generated = model.decode(z, copies, seeded())
    assert generated.shape == (8, 5)
    expected = 0.0
    for node, part in enumerate(generated.split(copies.tolist())):
        near = targets[allowed[node]] if limited else targets
        expected += sum(min((x - target).square().mean().item() for target in near) for x in part) / 4
    loss = model.feature_loss(z, copies, targets, seeded(), allowed if limited else None)
    assert loss.item() == pytest.approx(expected)


def test_the_loss_of_no_nodes_is_zero_and_has_gradients():
    model = NeighborGenerator(5, 6)
    none = torch.zeros(0, dtype=torch.long)
    loss = model.feature_loss(torch.zeros(0, 6), none, torch.zeros(0, 5), seeded())
    loss.backward()
    assert loss.item() == 0
    assert all((parameter.grad == 0).all() for parameter in model.decoder.parameters())


def test_what_is_hidden_is_what_networkx_removes():
    graph = nx.gnp_random_graph(25, 0.2, seed=1)
    x = torch.arange(25.0)[:, None]  # features name the nodes
    edges = torch.cat([from_networkx(graph).edge_index, torch.arange(25).expand(2, -1)], dim=1)
    impaired = hide_nodes(x, edges, 0.4, seeded())
    left, hidden = impaired.x[:, 0].int().tolist(), impaired.hidden_x[:, 0].int().tolist()
    assert len(hidden) == 10
    assert sorted(left + hidden) == list(range(25))
    kept = {(left[a], left[b]) for a, b in impaired.edge_index.t().tolist()}
    assert kept == {pair for a, b in graph.subgraph(left).edges for pair in ((a, b), (b, a))} | {(a, a) for a in left}
    for place, node in enumerate(left):
        assert int(impaired.missing[place]) == len(set(graph[node]) & set(hidden))
    for row, lost in zip(impaired.rows.tolist(), impaired.lost.tolist(), strict=True):
        assert {node for node, is_lost in zip(hidden, lost, strict=True) if is_lost} == set(graph[left[row]]) & set(
            hidden
        )


def test_one_node_is_always_left():
    impaired = hide_nodes(torch.ones(1, 2), torch.zeros(2, 0, dtype=torch.long), 0.9, seeded())
    assert len(impaired.x) == 1
    assert NeighborGenerator(2, 4).loss(impaired, 3, seeded()).item() >= 0


def test_it_learns_what_neighbours_are_like(pairs):
    x, edges = pairs
    impaired = hide_nodes(x, edges, 0.5, seeded())
    model, noise = NeighborGenerator(6, 16), seeded(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = model.loss(impaired, 4, noise).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.loss(impaired, 4, noise)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first
    features, owner = model.generate(impaired.x, impaired.edge_index, 8, noise)
    other_side = impaired.x[owner].argmax(1) ^ 1
    assert (features.argmax(1) == other_side).float().mean() > 0.9
    counts = owner.bincount(minlength=len(impaired.x))
    assert (counts - impaired.missing).abs().float().mean() < 1


def test_neighbours_of_a_node_differ_and_are_drawn_from_the_generator(pairs):
    model = NeighborGenerator(6, 16)
    z, _ = model(*pairs)
    copies = torch.full((len(z),), 2)
    features = model.decode(z, copies, seeded())
    assert not torch.equal(features[::2], features[1::2])
    assert torch.equal(features, model.decode(z, copies, seeded()))
    state = torch.random.get_rng_state()
    model.generate(*pairs, 3, seeded())
    assert torch.equal(state, torch.random.get_rng_state())
