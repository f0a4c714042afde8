from itertools import product

import numpy as np
import pytest
import torch

from graphml.federated.partition import GroupPartitioner, Items


def by_sizes(*sizes: int) -> Items:
    return Items(sum(sizes), groups={"speaker": torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))})


def test_one_client_a_group_in_the_order_of_their_numbers() -> None:
    items = Items(5, groups={"domain": torch.tensor([7, 2, 7, -1, 40])})
    partition = GroupPartitioner("domain")(items)
    assert [member.tolist() for member in partition.members] == [[1], [0, 2], [4]]
    assert partition.statistics(items).num_items_in_none == 1


@pytest.mark.parametrize("seed", range(4))
def test_packing_is_within_four_thirds_of_the_best(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(1, 30, 8).tolist()
    partition = GroupPartitioner("speaker", 3, seed)(by_sizes(*sizes))
    packings = (np.bincount(clients, weights=sizes, minlength=3).max() for clients in product(range(3), repeat=8))
    assert max(member.numel() for member in partition.members) <= (4 / 3 - 1 / 9) * min(packings)


def test_groups_stay_whole() -> None:
    items = by_sizes(5, 4, 3, 3, 3)
    partition = GroupPartitioner("speaker", 2)(items)
    held = [set(items.groups["speaker"][member].tolist()) for member in partition.members]
    assert held[0] | held[1] == {0, 1, 2, 3, 4}
    assert not held[0] & held[1]
    assert sorted(member.numel() for member in partition.members) == [8, 10]


def test_as_many_clients_as_groups() -> None:
    partition = GroupPartitioner("speaker", 3)(by_sizes(1, 2, 3))
    assert [member.numel() for member in partition.members] == [3, 2, 1]


def test_edges_are_kept() -> None:
    edge_index = torch.tensor([[0, 1, 2], [1, 0, 0]])
    partition = GroupPartitioner("session")(
        Items(3, edge_index=edge_index, groups={"session": torch.tensor([0, 0, 1])})
    )
    assert partition.edges(0).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("partitioner", "match"),
    [
        (GroupPartitioner("domain"), r"by: expected one of \['speaker'\], the groups of these items, got 'domain'"),
        (GroupPartitioner("speaker", 3), "num_clients: expected at most 2, the number of groups of 'speaker', got 3"),
    ],
)
def test_wrong_options_are_named(partitioner: GroupPartitioner, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        partitioner(by_sizes(4, 4))


def test_items_without_any_group() -> None:
    items = Items(2, groups={"relation": torch.tensor([-1, -1])})
    with pytest.raises(
        ValueError, match=r"items.groups\['relation'\]: expected at least one item in a group, got none"
    ):
        GroupPartitioner("relation")(items)
