"""Neighbourhoods of nodes."""

import networkx as nx
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx, to_networkx, to_undirected

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated.privacy.balls import balls, bounded_degree, receptive_field


@pytest.fixture(scope="module")
def graph():
    return NodeDataModule.from_data(
        contextual_sbm(num_nodes=60, num_classes=3, num_features=4, average_degree=8, seed=0), self_loops=True
    ).data


def degrees(edges, num_nodes):
    return torch.bincount(edges[1][edges[0] != edges[1]], minlength=num_nodes)


def test_degrees_are_bounded_and_no_more_edges_fit(graph):
    edges = bounded_degree(graph.edge_index, 60, 3, torch.Generator().manual_seed(0))
    degree = degrees(edges, 60)
    assert degree.max() == 3
    assert torch.equal(to_undirected(edges), edges[:, (edges[0] * 60 + edges[1]).argsort()])
    assert (edges[0] == edges[1]).sum() == 60  # self-loops stay
    before, after = (set(map(tuple, e.T.tolist())) for e in (graph.edge_index.as_tensor(), edges))
    assert after < before
    assert not any(degree[a] < 3 and degree[b] < 3 for a, b in before - after)


def test_a_large_bound_keeps_the_graph_and_the_order_is_seeded(graph):
    def drawn(bound, seed):
        edges = bounded_degree(graph.edge_index, 60, bound, torch.Generator().manual_seed(seed))
        return {tuple(edge) for edge in edges.T.tolist()}

    assert drawn(60, 0) == {tuple(edge) for edge in graph.edge_index.as_tensor().T.tolist()}
    assert drawn(3, 1) == drawn(3, 1)
    assert drawn(3, 1) != drawn(3, 2)


@pytest.mark.parametrize(("degree", "hops", "count"), [(5, 0, 1), (5, 1, 6), (5, 2, 31), (1, 3, 4), (3, 4, 121)])
def test_most_nodes_in_a_ball(degree, hops, count):
    assert receptive_field(degree, hops) == count
    if degree > 1:
        assert receptive_field(degree, hops) == (degree ** (hops + 1) - 1) // (degree - 1)  # Daigavane et al., lemma 1
        tree = nx.balanced_tree(degree - 1, 5)
        around = nx.single_source_shortest_path_length(tree, 1, cutoff=hops)
        assert len(around) <= count


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_balls_are_those_of_networkx(graph, hops):
    whole = to_networkx(Data(edge_index=graph.edge_index.as_tensor(), num_nodes=60), to_undirected=True)
    made = balls(graph, graph.edge_index.as_tensor(), torch.arange(60), hops)
    for centre, ball in enumerate(made):
        wanted = nx.ego_graph(whole, centre, radius=hops)
        assert ball.num_nodes == wanted.number_of_nodes()
        assert torch.equal(ball.x[0], graph.x[centre])
        assert ball.y[ball.train_mask].tolist() == [int(graph.y[centre])]
        assert sorted(map(tuple, ball.x.tolist())) == sorted(tuple(graph.x[node].tolist()) for node in wanted)
        assert ball.num_edges == wanted.to_directed().number_of_edges()


def test_with_a_hop_to_spare_weights_are_those_of_the_whole_graph(graph):
    known = dict(zip(map(tuple, graph.edge_index.as_tensor().T.tolist()), graph.edge_weight.tolist(), strict=True))
    (ball,) = balls(graph, graph.edge_index.as_tensor(), torch.tensor([7]), 2)
    number = {tuple(row): node for node, row in enumerate(graph.x.tolist())}
    nodes = [number[tuple(row)] for row in ball.x.tolist()]
    for (source, target), weight in zip(ball.edge_index.T.tolist(), ball.edge_weight.tolist(), strict=True):
        if target == 0:  # into the centre, from its neighbours
            assert weight == pytest.approx(known[nodes[source], 7], rel=1e-6)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_sparse_features_stay_sparse(graph):
    sparse = Data(x=graph.x.to_sparse_csr(), y=graph.y, edge_index=graph.edge_index)
    dense_ball, sparse_ball = (balls(g, graph.edge_index.as_tensor(), torch.tensor([3]), 1)[0] for g in (graph, sparse))
    assert sparse_ball.x.layout == torch.sparse_csr
    assert torch.equal(sparse_ball.x.to_dense(), dense_ball.x)


def test_a_lonely_node():
    graph = from_networkx(nx.empty_graph(2))
    graph.x, graph.y = torch.ones(2, 1), torch.zeros(2, dtype=torch.long)
    (ball,) = balls(graph, torch.empty(2, 0, dtype=torch.long), torch.tensor([1]), 2)
    assert ball.num_nodes == 1
    assert ball.edge_index.shape == (2, 0)
