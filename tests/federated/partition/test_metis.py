import sys
from types import SimpleNamespace

import networkx as nx
import pytest
import torch

from graphml.federated.partition import Items, MetisPartitioner, RandomPartitioner

GRID = nx.convert_node_labels_to_integers(nx.grid_2d_graph(12, 12))
ITEMS = Items(144, edge_index=torch.tensor(list(GRID.to_directed().edges)).t())


def test_parts_are_balanced_and_cut_few_edges() -> None:
    pytest.importorskip("pymetis")
    statistics = MetisPartitioner(4)(ITEMS).statistics(ITEMS)
    assert 34 <= statistics.sizes.min() <= statistics.sizes.max() <= 38
    assert statistics.num_edges_cut <= 2 * 36  # four squares cut 24 of the 264 edges
    assert RandomPartitioner(4)(ITEMS).statistics(ITEMS).edges_cut > 0.6


def test_empty_parts_are_an_error() -> None:
    pytest.importorskip("pymetis")
    star = Items(12, edge_index=torch.tensor([[0] * 11, list(range(1, 12))]))
    with pytest.raises(ValueError, match=r"num_clients: .*got 12 for 12 items, of which METIS makes"):
        MetisPartitioner(12)(star)


def test_metis_gets_neighbors_without_loops_or_duplicates_and_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def part_graph(num_parts: int, adjacency: list[list[int]], options: dict) -> tuple[int, list[int]]:
        calls.append((num_parts, adjacency, options))
        return 0, [1, 0, 0, 1]

    monkeypatch.setitem(sys.modules, "pymetis", SimpleNamespace(part_graph=part_graph, Options=dict))
    edge_index = torch.tensor([[2, 0, 0, 1, 1], [1, 1, 1, 0, 1]])  # directed, doubled, a loop; item 3 is isolated
    partition = MetisPartitioner(2, seed=7)(Items(4, edge_index=edge_index))
    assert calls == [(2, [[1], [0, 2], [1], []], {"seed": 7})]
    assert [member.tolist() for member in partition.members] == [[1, 2], [0, 3]]


def test_without_pymetis_both_ways_to_install_it_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymetis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pymetis is not installed.*graphml-torch\[metis\].*conda install"):
        MetisPartitioner(2)(ITEMS)


def test_the_seed_fits_metis() -> None:
    with pytest.raises(ValueError, match=r"seed: expected less than 2\^31.* got 2147483648"):
        MetisPartitioner(2, seed=2**31)
