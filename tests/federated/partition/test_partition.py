import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.metrics.cluster import contingency_matrix
from torch_geometric.utils import is_undirected, subgraph

from graphml.data.samples import karate_club
from graphml.federated.partition import Items, Partition

KARATE = karate_club()
ITEMS = Items(34, KARATE.y, KARATE.edge_index)
PATH = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])  # 0 - 1 - 2 - 3
HALVES = Partition([torch.arange(20), torch.arange(15, 34)], 34, ITEMS.edge_index)  # five items in both


def test_members_are_sorted_and_unique() -> None:
    partition = Partition([torch.tensor([3, 1, 1]), torch.tensor([0], dtype=torch.int32)], 4)
    assert [member.tolist() for member in partition.members] == [[1, 3], [0]]
    assert len(partition) == 2
    assert partition.edges(0).shape == (2, 0)
    assert repr(partition) == "Partition(2 clients, 4 items)"


def test_owners_name_the_client_of_each_item() -> None:
    partition = Partition.from_owner(torch.tensor([1, -1, 0, 1]), 2, PATH)
    assert [member.tolist() for member in partition.members] == [[2], [0, 3]]
    assert partition.edges(1).numel() == 0


@pytest.mark.parametrize("client", [0, 1])
def test_edges_are_those_of_the_induced_subgraph(client: int) -> None:
    expected, _ = subgraph(HALVES.members[client], KARATE.edge_index, num_nodes=34)
    assert torch.equal(HALVES.edges(client), expected)
    assert torch.equal(KARATE.edge_index[:, HALVES.edge_mask(client)], expected)


def test_each_client_drops_a_share_of_its_edges_both_directions_together() -> None:
    partition = Partition(HALVES.members, 34, ITEMS.edge_index, drop_edge=0.25, seed=3)
    again = Partition(HALVES.members, 34, ITEMS.edge_index, drop_edge=0.25, seed=3)
    last_first = [again.edges(client) for client in (1, 0)][::-1]
    for client in (0, 1):
        edges, whole = partition.edges(client), HALVES.edges(client)
        assert is_undirected(edges)
        pairs = whole.size(1) // 2
        assert edges.size(1) // 2 == pairs - round(0.25 * pairs)
        assert set(zip(*edges.tolist(), strict=True)) < set(zip(*whole.tolist(), strict=True))
        assert torch.equal(edges, last_first[client])
    other = Partition(HALVES.members, 34, ITEMS.edge_index, drop_edge=0.25, seed=4)
    assert not torch.equal(other.edges(0), partition.edges(0))


def test_clients_of_the_same_items_drop_other_edges() -> None:
    partition = Partition([torch.arange(34)] * 2, 34, ITEMS.edge_index, drop_edge=0.5)
    assert not torch.equal(partition.edges(0), partition.edges(1))


def test_statistics_against_counting_by_other_means() -> None:
    statistics = HALVES.statistics(ITEMS)
    graph = nx.Graph(KARATE.edge_index.t().tolist())
    cut = [edge for edge in graph.edges if not any(set(edge) <= set(member.tolist()) for member in HALVES.members)]
    assert statistics.sizes.tolist() == [20, 19]
    assert (statistics.num_edges, statistics.num_edges_cut) == (156, 2 * len(cut))
    assert statistics.edges_cut == pytest.approx(len(cut) / 78)
    assert (statistics.num_items_in_none, statistics.num_items_in_several) == (0, 5)
    labels = KARATE.y.numpy()
    overall = np.bincount(labels) / 34
    for client, member in enumerate(HALVES.members):
        counts = contingency_matrix(np.zeros(len(member)), labels[member])[0]
        assert statistics.label_counts[client].tolist() == counts.tolist()
        skew = np.abs(counts / counts.sum() - overall).max()  # of two classes, half the sum is the largest
        assert statistics.label_skew[client].item() == pytest.approx(skew)
    assert statistics.mean_label_skew == pytest.approx(statistics.label_skew.mean().item())


def test_dropped_edges_are_cut_unless_another_client_holds_them() -> None:
    alone = Partition([torch.arange(34)], 34, ITEMS.edge_index, drop_edge=0.5).statistics(ITEMS)
    assert alone.num_edges_cut == 78
    doubled = Partition([torch.arange(34), torch.arange(34)], 34, ITEMS.edge_index, drop_edge=0.5).statistics(ITEMS)
    assert 0 < doubled.num_edges_cut < 78


def test_unlabelled_items_count_in_sizes_alone() -> None:
    items = Items(4, torch.tensor([0, 1, -1, -1]), PATH)
    statistics = Partition([torch.tensor([0, 2]), torch.tensor([3])], 4, PATH).statistics(items)
    assert statistics.sizes.tolist() == [2, 1]
    assert statistics.label_counts.tolist() == [[1, 0], [0, 0]]
    assert statistics.label_skew[0].item() == 0.5
    assert statistics.label_skew[1].isnan()
    assert statistics.mean_label_skew == 0.5
    assert statistics.num_items_in_none == 1
    assert statistics.edges_cut == 1.0


@pytest.mark.parametrize("labels", [None, torch.tensor([-1, -1, -1])])
def test_without_labels_and_edges_there_is_neither_skew_nor_cut(labels: torch.Tensor | None) -> None:
    statistics = Partition([torch.arange(3)], 3).statistics(Items(3, labels))
    assert statistics.label_counts is None
    assert statistics.label_skew is None
    assert statistics.mean_label_skew is None
    assert statistics.edges_cut == 0


@pytest.mark.parametrize(
    ("members", "options", "match"),
    [
        ([], {}, "members: expected the items of at least one client, got none"),
        ([[0], []], {}, "members: expected at least one item for each client, got none for client 1"),
        ([[0], [2, 9]], {}, "members: expected items 0 to 3, got 2 to 9 for client 1"),
        ([[-1]], {}, "members: expected items 0 to 3, got -1 to -1 for client 0"),
        ([[0]], {"drop_edge": 1.0}, r"drop_edge: expected a share in \[0, 1\), got 1.0"),
    ],
)
def test_wrong_input_is_named(members: list[list[int]], options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Partition([torch.tensor(member, dtype=torch.int64) for member in members], 4, PATH, **options)


@pytest.mark.parametrize("client", [-1, 2])
def test_there_is_no_such_client(client: int) -> None:
    with pytest.raises(IndexError, match=f"client: expected 0 to 1, got {client}"):
        HALVES.edges(client)


def test_statistics_are_of_the_items_that_were_dealt() -> None:
    with pytest.raises(ValueError, match="items: expected the 34 items that were dealt, got 4"):
        HALVES.statistics(Items(4))
