import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import laplacian
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.transforms import Compose
from torch_geometric.utils import k_hop_subgraph, subgraph, to_dense_adj, to_networkx, to_scipy_sparse_matrix

from graphml.data import (
    AddSpectralDensity,
    InducedNeighborSampler,
    NodeDataModule,
    SymmetricNormalization,
    ToSortedEdgeIndex,
    neighbor_loader,
)
from graphml.data.neighbor_sampler import EpochShuffle
from graphml.data.samples import contextual_sbm, karate_club


def ready(graph: Data) -> Data:
    return Compose([ToSortedEdgeIndex(), AddSpectralDensity(), SymmetricNormalization()])(graph)


def sample(data: Data, seeds: list[int], num_neighbors: list[int], seed: int = 0):
    sampler = InducedNeighborSampler(data.edge_index, num_neighbors, seed)
    return sampler.sample_from_nodes(NodeSamplerInput(input_id=None, node=torch.tensor(seeds)))


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_all_neighbours_are_pygs_k_hop_neighbourhood(hops):
    data = ready(karate_club())
    out = sample(data, [16, 11], [-1] * hops)
    expected = k_hop_subgraph([16, 11], hops, data.edge_index.as_tensor(), num_nodes=34)[0]
    assert out.node[:2].tolist() == [16, 11]
    assert sorted(out.node.tolist()) == expected.tolist()


def test_edges_are_pygs_induced_subgraph():
    data = ready(contextual_sbm(300))
    out = sample(data, list(range(20)), [4, 4])
    expected, _ = subgraph(out.node, data.edge_index.as_tensor(), num_nodes=300)
    ours = out.node[torch.stack([out.row, out.col])]
    assert {tuple(edge) for edge in ours.t().tolist()} == {tuple(edge) for edge in expected.t().tolist()}
    assert ours.size(1) == expected.size(1)
    assert out.node.unique().numel() == out.node.numel()


def test_at_most_so_many_neighbours_and_all_where_there_are_fewer():
    star = nx.star_graph(50)  # node 0 in the middle
    edges = torch.tensor(list(star.edges)).t()
    data = ready(Data(x=torch.eye(51), edge_index=torch.cat([edges, edges.flip(0)], dim=1)))
    assert len(sample(data, [0], [7]).node) == 8
    assert len(sample(data, [0], [99]).node) == 51
    assert sample(data, [5], [3]).node.tolist() == [5, 0]


def test_each_sampled_node_lies_within_its_hop():
    data = ready(contextual_sbm(500, seed=2))
    out = sample(data, [3], [2, 2, 2])
    distance = nx.single_source_shortest_path_length(to_networkx(data, to_undirected=True), 3)
    assert max(distance[node] for node in out.node.tolist()) <= 3
    assert len(out.node) <= 1 + 2 + 4 + 8


def test_neighbours_are_drawn_uniformly_without_replacement():
    edges = torch.tensor([[0] * 6, list(range(1, 7))])
    data = ready(Data(x=torch.eye(7), edge_index=torch.cat([edges, edges.flip(0)], dim=1)))
    counts = torch.zeros(7)
    for seed in range(3000):
        drawn = sample(data, [0], [2], seed).node[1:]
        assert len(drawn) == 2
        counts[drawn] += 1
    np.testing.assert_allclose(counts[1:] / 3000, 1 / 3, atol=0.035)  # four standard deviations


def test_a_draw_depends_on_the_seed_and_the_nodes_alone():
    data = ready(contextual_sbm(300))
    state = torch.get_rng_state()
    sampler = InducedNeighborSampler(data.edge_index, [3, 3], seed=1)
    ask = NodeSamplerInput(input_id=None, node=torch.arange(10))
    first = sampler.sample_from_nodes(ask).node
    sampler.sample_from_nodes(NodeSamplerInput(input_id=None, node=torch.arange(50)))
    assert torch.equal(sampler.sample_from_nodes(ask).node, first)
    assert not torch.equal(sample(data, list(range(10)), [3, 3], seed=2).node, first)
    assert torch.equal(torch.get_rng_state(), state)


def test_isolated_seed_gives_one_node_and_no_edges():
    data = ready(Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1], [1, 0]])))
    (batch,) = list(neighbor_loader(data, [2], batch_size=3))[:1]
    assert batch.num_nodes == 3
    only = next(iter(NodeDataModule.from_data(two_pairs(), batch_size=1, num_neighbors=[2], **HALF).val_dataloader()))
    assert only.num_nodes == 2
    out = sample(data, [2], [5, 5])
    assert out.node.tolist() == [2]
    assert out.row.numel() == 0


HALF = {"train_fraction": 0.4, "val_fraction": 0.2, "stratify": False, "num_splits": 1}


def two_pairs() -> Data:
    edges = torch.tensor([[0, 1, 2, 3, 3, 4], [1, 0, 3, 2, 4, 3]])
    return Data(x=torch.eye(5), y=torch.zeros(5, dtype=torch.long), edge_index=edges)


def test_loader_is_pygs_and_visits_all_nodes_in_order():
    data = ready(contextual_sbm(250))
    loader = neighbor_loader(data, [5, 5], batch_size=64)
    assert isinstance(loader, NeighborLoader)
    seeds = [batch.n_id[: batch.batch_size] for batch in loader]
    assert [len(part) for part in seeds] == [64, 64, 64, 58]
    assert torch.equal(torch.cat(seeds), torch.arange(250))


def test_batch_is_a_graph_like_the_full_one():
    graph = contextual_sbm(300, num_features=6)
    data = ready(graph)
    for batch in neighbor_loader(data, [3, 3], batch_size=50):
        edges = batch.edge_index
        assert isinstance(edges, EdgeIndex)
        edges.validate()
        assert edges.is_undirected
        assert edges.is_sorted_by_col
        assert edges.sparse_size() == (batch.num_nodes, batch.num_nodes)
        assert edges._T_perm is not None
        assert torch.equal(batch.x, graph.x[batch.n_id])
        assert torch.equal(batch.y, graph.y[batch.n_id])
        assert torch.equal(batch.density, data.density)
        oracle = -laplacian(to_scipy_sparse_matrix(edges.as_tensor(), num_nodes=batch.num_nodes).tocsr(), normed=True)
        oracle.setdiag(0)
        ours = to_dense_adj(edges.as_tensor(), edge_attr=batch.edge_weight, max_num_nodes=batch.num_nodes)[0]
        np.testing.assert_allclose(ours.numpy(), oracle.toarray(), atol=1e-6)


def test_one_batch_with_all_neighbours_is_the_full_graph():
    data = ready(karate_club())
    (batch,) = neighbor_loader(data, [-1], batch_size=34)
    assert torch.equal(batch.edge_index.as_tensor(), data.edge_index.as_tensor())
    assert torch.equal(batch.edge_weight, data.edge_weight)
    assert torch.equal(batch.x, data.x)


@pytest.mark.parametrize("num_nodes", [256, 300])
def test_density_is_not_mistaken_for_a_node_or_edge_attribute(num_nodes):
    path = torch.stack([torch.arange(num_nodes - 1), torch.arange(1, num_nodes)])
    data = ready(Data(x=torch.ones(num_nodes, 1), edge_index=torch.cat([path, path.flip(0)], dim=1)))
    ring = torch.stack([torch.arange(128), (torch.arange(128) + 1) % 128])
    as_many_edges = ready(Data(x=torch.ones(128, 1), edge_index=torch.cat([ring, ring.flip(0)], dim=1)))
    for graph in (data, as_many_edges):  # as_many_edges has 256 edges
        for batch in neighbor_loader(graph, [2], batch_size=100):
            assert torch.equal(batch.density, graph.density)


def test_same_seed_same_batches_and_each_epoch_another_order():
    data = ready(contextual_sbm(200))
    state = torch.get_rng_state()
    epochs = []
    for seed in (4, 4, 5):
        loader = neighbor_loader(data, [3], batch_size=32, shuffle=True, seed=seed)
        epochs.append([[batch.n_id for batch in loader] for _ in range(2)])
    same, again, other = epochs
    assert all(torch.equal(a, b) for x, y in zip(same, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not torch.equal(same[0][0][:32], same[1][0][:32])
    assert not torch.equal(same[0][0][:32], other[0][0][:32])
    assert sorted(torch.cat([part[:32] for part in same[0]]).unique().tolist()) == list(range(200))
    assert torch.equal(torch.get_rng_state(), state)


def test_order_of_an_epoch_is_that_of_its_number():
    shuffle = EpochShuffle(9, seed=2)
    orders = [list(shuffle) for _ in range(3)]
    assert all(sorted(order) == list(range(9)) for order in orders)
    shuffle.set_epoch(1)
    assert [list(shuffle), list(shuffle)] == orders[1:]


def test_workers_give_the_same_batches():
    data = ready(contextual_sbm(120))
    alone = [batch.n_id for batch in neighbor_loader(data, [3], batch_size=40, shuffle=True, seed=1)]
    workers = [batch.n_id for batch in neighbor_loader(data, [3], 40, shuffle=True, num_workers=2, seed=1)]
    assert all(torch.equal(a, b) for a, b in zip(alone, workers, strict=True))


@pytest.mark.parametrize("count", [[], [0], [5, -2]])
def test_wrong_num_neighbors(count):
    with pytest.raises(ValueError, match="num_neighbors must hold positive numbers, or -1 for all"):
        neighbor_loader(ready(karate_club()), count, batch_size=4)


def test_wrong_batch_size_and_seed():
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        neighbor_loader(ready(karate_club()), [2], batch_size=0)
    with pytest.raises(ValueError, match="seed must not be negative, got -3"):
        neighbor_loader(ready(karate_club()), [2], batch_size=2, seed=-3)


def test_edges_cannot_be_seeds():
    with pytest.raises(NotImplementedError, match="samples around nodes"):
        InducedNeighborSampler(ready(karate_club()).edge_index, [2]).sample_from_edges(None)
