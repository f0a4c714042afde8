"""Published protocols: how they split."""

import pytest
import torch
from torch_geometric.data import Data

from graphml.data import NodeDataModule
from graphml.federated import PROTOCOLS, Items, LouvainPartitioner, Partition
from graphml.federated.protocols import protocol_named


def graph() -> Data:
    y = torch.arange(300) % 3
    y[:30] = 2
    return Data(y=y, num_nodes=300)


def halves() -> Partition:
    return Partition([torch.arange(150), torch.arange(150, 300)], 300)


@pytest.mark.parametrize("name", ["fs-g", "openfgl"])
def test_splits_are_disjoint_complete_and_seeded(name):
    split = PROTOCOLS[name].split
    masks = split(graph(), halves(), 0)
    assert torch.equal(torch.stack(list(masks)).sum(0), torch.ones(300, dtype=torch.int64))
    state = torch.get_rng_state()
    assert all(torch.equal(*pair) for pair in zip(masks, split(graph(), halves(), 0), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(masks.train, split(graph(), halves(), 1).train)


def test_fs_g_trains_with_so_many_of_each_class():
    masks, y = PROTOCOLS["fs-g"].split(graph(), halves(), 0), graph().y
    assert [int((y[masks.train] == label).sum()) for label in range(3)] == [60, 60, 60]
    assert int(masks.val.sum()) == 60


def test_openfgl_splits_each_class_of_each_client():
    masks, y = PROTOCOLS["openfgl"].split(graph(), halves(), 0), graph().y
    for members in halves().members:
        for label in range(3):
            nodes = members[y[members] == label]
            assert int(masks.train[nodes].sum()) == int(0.2 * len(nodes))
            assert int(masks.val[nodes].sum()) == int(0.6 * len(nodes)) - int(0.2 * len(nodes))


def test_an_unknown_protocol_is_refused():
    assert protocol_named(None) is None
    with pytest.raises(ValueError, match="protocol: expected one of fs-g, openfgl, fedgcn, fedgcn-cut, got 'fsg'"):
        protocol_named("fsg")


def test_counts_on_cora_are_the_published_ones(data_root):
    module = NodeDataModule("Cora", root=str(data_root))
    raw = module.raw
    partition = LouvainPartitioner(5)(Items(raw.num_nodes, raw.y, raw.edge_index))
    masks = PROTOCOLS["fs-g"].split(raw, partition, 0)
    assert torch.minimum(raw.y.bincount(), torch.tensor(232)).equal(raw.y[masks.train].bincount())
    assert int(masks.val.sum()) == 542
    public = PROTOCOLS["fedgcn"].split(raw, partition, 0)
    assert [int(mask.sum()) for mask in public] == [140, 500, 1000]
