import pytest
import torch
from torch_geometric.utils import subgraph

from graphml.data.samples import karate_club
from graphml.federated.partition import Items, RandomPartitioner

KARATE = karate_club()
ITEMS = Items(34, KARATE.y, KARATE.edge_index)


def test_sizes_differ_by_one_at_most() -> None:
    assert [member.numel() for member in RandomPartitioner(5)(ITEMS).members] == [7, 7, 7, 7, 6]


def test_overlap_is_held_by_all_and_the_rest_by_one() -> None:
    partition = RandomPartitioner(3, overlap=0.3)(ITEMS)
    holders = torch.cat(partition.members).bincount(minlength=34)
    assert holders.bincount().tolist() == [0, 24, 0, 10]  # round(0.3 * 34) items are shared
    assert [member.numel() for member in partition.members] == [18, 18, 18]
    assert partition.statistics(ITEMS).num_items_in_several == 10


def test_every_client_drops_a_share_of_its_own_edges() -> None:
    partition = RandomPartitioner(2, overlap=0.5, drop_edge=0.4)(ITEMS)
    for client, member in enumerate(partition.members):
        pairs = subgraph(member, KARATE.edge_index, num_nodes=34)[0].size(1) // 2
        assert partition.edges(client).size(1) == 2 * (pairs - round(0.4 * pairs))


def test_members_are_uniform() -> None:
    first = torch.stack(
        [RandomPartitioner(2, seed)(Items(10)).members[0].bincount(minlength=10) for seed in range(800)]
    )
    assert (first.float().mean(dim=0) - 0.5).abs().max() < 4 * 0.5 / 800**0.5  # four standard errors


@pytest.mark.parametrize("option", ["overlap", "drop_edge"])
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_are_checked(option: str, share: float) -> None:
    with pytest.raises(ValueError, match=rf"{option}: expected a share in \[0, 1\), got {share}"):
        RandomPartitioner(2, **{option: share})
