from pathlib import Path

import networkx as nx
import pytest
import torch

from graphml.data import load_node_dataset
from graphml.federated.partition import Items, LouvainPartitioner, RandomPartitioner


def cliques(*sizes: int) -> Items:
    """Cliques of the given sizes without edges between them: each is a community, whatever the seed."""
    graph = nx.disjoint_union_all([nx.complete_graph(size) for size in sizes])
    return Items(sum(sizes), edge_index=torch.tensor(list(graph.to_directed().edges)).t())


def reference_sizes(sizes: list[int], num_clients: int, delta: int) -> list[int]:
    """The clients' sizes by the rule of FederatedScope-GNN, on community sizes alone."""
    share = sum(sizes) // num_clients
    pieces: list[int] = []
    for size in sizes:
        while size > share - delta:
            pieces.append(share - delta)
            size -= share - delta
        pieces.append(size)
    clients, turn = [0] * num_clients, 0
    for piece in sorted(pieces, reverse=True):
        while clients[turn] + piece > share + delta:
            turn = (turn + 1) % num_clients
        clients[turn] += piece
        turn = (turn + 1) % num_clients
    return clients


def test_planted_communities_are_the_clients() -> None:
    graph = nx.planted_partition_graph(4, 30, 0.5, 0.01, seed=0)
    items = Items(120, torch.arange(120) // 30, torch.tensor(list(graph.to_directed().edges)).t())
    partition = LouvainPartitioner(4, delta=0)(items)
    assert sorted(member.tolist() for member in partition.members) == torch.arange(120).view(4, 30).tolist()
    statistics = partition.statistics(items)
    assert statistics.label_skew.tolist() == [0.75] * 4
    between = [edge for edge in graph.edges if edge[0] // 30 != edge[1] // 30]
    assert statistics.num_edges_cut == 2 * len(between)


@pytest.mark.parametrize(
    ("sizes", "num_clients", "delta"),
    [([40, 9, 8, 7, 6, 5, 4, 3], 3, 4), ([12] * 6, 2, 2), ([25, 25, 4, 4, 4, 4, 4], 4, 4), ([50], 3, 6)],
)
def test_sizes_follow_the_published_rule(sizes: list[int], num_clients: int, delta: int) -> None:
    partition = LouvainPartitioner(num_clients, delta=delta)(cliques(*sizes))
    assert [member.numel() for member in partition.members] == reference_sizes(sizes, num_clients, delta)


def test_a_piece_without_room_anywhere_is_cut_to_fit() -> None:
    partition = LouvainPartitioner(2, delta=1)(cliques(30, 30, 30, 10))  # room for 51: the third 30 fits nowhere
    assert [member.numel() for member in partition.members] == [51, 49]


@pytest.mark.parametrize("num_clients", [2, 3, 7, 9, 13])
@pytest.mark.parametrize("delta", [0, 1, 3])
def test_no_client_is_larger_than_allowed(num_clients: int, delta: int) -> None:
    items = cliques(23, 17, 11, 9, 5, 3, 1, 1)
    sizes = [member.numel() for member in LouvainPartitioner(num_clients, delta=delta)(items).members]
    assert sum(sizes) == 70
    assert max(sizes) <= max(70 // num_clients + delta, -(-70 // num_clients))


def test_isolated_items_and_directed_edges_are_dealt_too() -> None:
    partition = LouvainPartitioner(2, delta=0)(Items(6, edge_index=torch.tensor([[0, 1], [1, 2]])))
    assert torch.cat(partition.members).sort().values.tolist() == [0, 1, 2, 3, 4, 5]
    assert partition.statistics(Items(6)).num_edges_cut == 0


def test_delta_is_checked() -> None:
    with pytest.raises(ValueError, match="delta: expected at least 0, got -1"):
        LouvainPartitioner(2, delta=-1)
    expected = "delta: expected less than 17, the items of a client, got 20 for 34 items and 2 clients"
    with pytest.raises(ValueError, match=expected):
        LouvainPartitioner(2)(cliques(30, 4))


def test_cora_in_five_clients(data_root: Path) -> None:
    data = load_node_dataset("Cora", str(data_root))
    items = Items(data.num_nodes, data.y, data.edge_index)
    partition = LouvainPartitioner(5)(items)
    statistics = partition.statistics(items)
    assert statistics.sizes.sum() == 2708
    assert statistics.sizes.max() <= 2708 // 5 + 20
    assert statistics.sizes.min() > 400
    assert statistics.edges_cut < 0.15
    assert statistics.mean_label_skew > 0.25
    graph = nx.Graph(data.edge_index.t().tolist())
    graph.add_nodes_from(range(2708))
    assert nx.community.modularity(graph, [set(member.tolist()) for member in partition.members]) > 0.65
    at_random = RandomPartitioner(5)(items).statistics(items)
    assert at_random.edges_cut == pytest.approx(0.8, abs=0.02)
    assert at_random.mean_label_skew < 0.06
