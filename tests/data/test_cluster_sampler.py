import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.transforms import Compose
from torch_geometric.utils import subgraph, to_dense_adj

from graphml.data import (
    AddSpectralDensity,
    NodeDataModule,
    SymmetricNormalization,
    ToSortedEdgeIndex,
    cluster_loader,
    neighbor_loader,
    stream_partition,
)
from graphml.data.samples import contextual_sbm, karate_club


def ready(graph: Data) -> Data:
    return Compose([ToSortedEdgeIndex(), AddSpectralDensity(), SymmetricNormalization()])(graph)


def cliques(count: int, size: int) -> Data:
    """Cliques in a ring, each joined to the next by one edge, their nodes in random order."""
    graph = nx.ring_of_cliques(count, size)
    place = np.random.default_rng(0).permutation(count * size)
    edges = torch.tensor([[place[a], place[b]] for a, b in graph.edges]).t()
    y = torch.empty(count * size, dtype=torch.long)
    y[torch.from_numpy(place)] = torch.arange(count).repeat_interleave(size)
    return ready(Data(x=torch.eye(count * size), y=y, edge_index=torch.cat([edges, edges.flip(0)], dim=1)))


def share_inside(data: Data, cluster: torch.Tensor) -> float:
    source, target = data.edge_index.as_tensor()
    return float((cluster[source] == cluster[target]).double().mean())


def test_partition_finds_cliques():
    data = cliques(8, 20)
    cluster = stream_partition(data.edge_index, 8)
    assert share_inside(data, cluster) > 0.95
    assert len({(a, b) for a, b in zip(cluster.tolist(), data.y.tolist(), strict=True)}) < 16


@pytest.mark.parametrize("num_clusters", [1, 3, 10, 300])
def test_partition_is_balanced_complete_and_without_chance(num_clusters):
    data = ready(contextual_sbm(300))
    cluster = stream_partition(data.edge_index, num_clusters)
    sizes = cluster.bincount()
    assert len(sizes) == num_clusters or 100 < len(sizes) < num_clusters == 300
    assert 1 <= int(sizes.min()) <= int(sizes.max()) <= np.ceil(1.05 * 300 / num_clusters)
    assert torch.equal(cluster, stream_partition(data.edge_index, num_clusters))


def test_partition_keeps_more_edges_than_chance():
    data = ready(contextual_sbm(1000, num_classes=4, average_degree=10, homophily=0.9))
    cluster = stream_partition(data.edge_index, 10)
    assert share_inside(data, cluster) > 3 * 0.1
    assert share_inside(data, stream_partition(data.edge_index, 10, passes=1)) < share_inside(data, cluster)


def test_batches_are_pygs_induced_subgraphs_and_cover_the_graph():
    data = ready(contextual_sbm(300, num_features=6))
    data.train_mask = torch.arange(300) % 3 == 0
    batches = list(cluster_loader(data, 10, batch_size=4))
    assert len(batches) == 3
    assert sorted(torch.cat([batch.n_id for batch in batches]).tolist()) == list(range(300))
    for batch in batches:
        edges = batch.edge_index
        assert isinstance(edges, EdgeIndex)
        edges.validate()
        assert edges.is_sorted_by_col
        assert edges.sparse_size() == (batch.num_nodes, batch.num_nodes)
        expected, _ = subgraph(batch.n_id, data.edge_index.as_tensor(), relabel_nodes=True, num_nodes=300)
        pairs = {tuple(pair) for pair in batch.n_id[edges.as_tensor()].t().tolist()}
        whole, _ = subgraph(batch.n_id, data.edge_index.as_tensor(), num_nodes=300)
        assert pairs == {tuple(pair) for pair in whole.t().tolist()}
        assert edges.size(1) == expected.size(1)
        for name in ("x", "y", "train_mask"):
            assert torch.equal(batch[name], data[name][batch.n_id])


def test_one_batch_of_all_clusters_is_the_graph_in_another_order():
    data = NodeDataModule.from_data(karate_club(), split="random").data
    (batch,) = cluster_loader(data, 4, batch_size=4)
    full = to_dense_adj(data.edge_index.as_tensor(), edge_attr=data.edge_weight)[0]
    ours = to_dense_adj(batch.edge_index.as_tensor(), edge_attr=batch.edge_weight)[0]
    torch.testing.assert_close(ours, full[batch.n_id][:, batch.n_id])
    assert torch.equal(batch.density, data.density)
    for label, split in data.splits.items():
        assert all(torch.equal(a, b[batch.n_id]) for a, b in zip(batch.splits[label], split, strict=True))


def test_a_batch_has_what_a_batch_of_neighbours_has():
    data = NodeDataModule.from_data(karate_club()).data
    ours, theirs = next(iter(cluster_loader(data, 3))), next(iter(neighbor_loader(data, [2], batch_size=5)))
    assert set(theirs.keys()) - set(ours.keys()) <= {"batch_size", "input_id", "e_id"}


def test_a_given_partition_is_taken():
    data = ready(karate_club())
    cluster = torch.arange(34) % 3
    batches = list(cluster_loader(data, cluster))
    assert [batch.n_id.tolist() for batch in batches] == [list(range(k, 34, 3)) for k in range(3)]


def test_seed_and_epoch_give_the_batches_with_any_number_of_workers():
    data = ready(contextual_sbm(200))
    state = torch.get_rng_state()

    def epochs(**options) -> list:
        loader = cluster_loader(data, torch.arange(200) % 12, batch_size=3, shuffle=True, **options)
        return [[batch.n_id.tolist() for batch in loader] for _ in range(2)]

    same = epochs(seed=4)
    assert same == epochs(seed=4) == epochs(seed=4, num_workers=2)
    assert same[0] != same[1]
    assert same != epochs(seed=5)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_epoch_set_after_the_iterator_was_made_counts(num_workers):
    data = ready(contextual_sbm(120))
    loaders = (
        cluster_loader(data, torch.arange(120) % 8, 2, shuffle=True, num_workers=num_workers),
        neighbor_loader(data, [2], 30, shuffle=True, num_workers=num_workers),
    )
    for loader in loaders:  # Lightning makes the iterator of a resumed run before it calls set_epoch
        second = [[batch.n_id.tolist() for batch in loader] for _ in range(2)][1]
        loader.sampler.set_epoch(0)
        iterator = iter(loader)
        loader.sampler.set_epoch(1)
        assert [batch.n_id.tolist() for batch in iterator] == second


def test_wrong_inputs_are_named():
    data = ready(karate_club())
    with pytest.raises(ValueError, match="num_clusters: expected 1 to 34, the number of nodes, got 35"):
        cluster_loader(data, 35)
    with pytest.raises(ValueError, match="passes: expected at least 1, got 0"):
        stream_partition(data.edge_index, 3, passes=0)
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        cluster_loader(data, 3, batch_size=0)
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        cluster_loader(data, 3, seed=-1)
    with pytest.raises(ValueError, match=r"cluster: expected integers \[34\], got torch\.int64 of shape \(33,\)"):
        cluster_loader(data, torch.zeros(33, dtype=torch.long))
    for wrong in (torch.arange(34) * 2, torch.arange(34) - 1):
        with pytest.raises(ValueError, match="cluster: expected numbers from 0, each of them used"):
            cluster_loader(data, wrong)
