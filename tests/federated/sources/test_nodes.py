"""A graph's nodes, dealt to clients."""

import torch
from torch_geometric.utils import subgraph

from graphml.data import NodeDataModule
from graphml.federated import PROTOCOLS, LouvainPartitioner, RandomPartitioner
from graphml.federated.sources import NodeSource, source_of

MODULE = NodeDataModule("karate", self_loops=True)


def dealt(partitioner, protocol=None) -> NodeSource:
    source = source_of(MODULE)
    partition = partitioner(source.items())
    source.deal(partition, protocol, 0)
    return source


def test_clients_have_the_induced_subgraphs_with_their_own_normalisation():
    source = dealt(LouvainPartitioner(3, delta=0))
    for number, nodes in enumerate(source.partition.members):
        data = source.client_data(number).data
        assert torch.equal(data.n_id, nodes)
        assert torch.equal(data.x, MODULE.raw.x[nodes])
        assert torch.equal(data.y, MODULE.raw.y[nodes])
        expected, _ = subgraph(nodes, MODULE.raw.edge_index, relabel_nodes=True, num_nodes=34)
        dense = torch.eye(len(nodes))
        dense[expected[0], expected[1]] = 1
        degree = dense.sum(1).rsqrt()
        found = torch.zeros_like(dense)
        found[data.edge_index[0], data.edge_index[1]] = data.edge_weight
        torch.testing.assert_close(found, degree[:, None] * dense * degree)


def test_cut_edges_join_own_nodes_to_nodes_elsewhere():
    source = dealt(LouvainPartitioner(3, delta=0))
    found = set()
    for number, nodes in enumerate(source.partition.members):
        inside, outside = source.client_data(number).data.cut_edge_index
        found |= {(int(nodes[i]), int(o)) for i, o in zip(inside, outside, strict=True)}
    owner = torch.empty(34, dtype=torch.int64)
    for number, nodes in enumerate(source.partition.members):
        owner[nodes] = number
    edges = MODULE.raw.edge_index.t().tolist()
    assert found == {(a, b) for a, b in edges if owner[a] != owner[b]}


def test_masks_follow_the_nodes_and_the_server_has_all():
    source = dealt(RandomPartitioner(3), PROTOCOLS["fs-g"])
    whole = source.server_data()
    for stage in ("train", "val", "test"):
        parts = [source.client_data(number).num_examples(stage) for number in range(3)]
        assert sum(parts) == whole.num_examples(stage)
        mask = whole.data[f"{stage}_mask"]
        data = source.client_data(1).data
        assert torch.equal(data[f"{stage}_mask"], mask[data.n_id])
    assert whole.data.splits["fs-g"].train.shape == (34, 1)


def test_without_a_protocol_the_split_is_the_data_modules():
    whole = dealt(RandomPartitioner(2)).server_data().data
    assert torch.equal(whole.train_mask, MODULE.data.train_mask)
    assert whole.splits is MODULE.data.splits
    torch.testing.assert_close(whole.edge_weight, MODULE.data.edge_weight)
    torch.testing.assert_close(whole.density, MODULE.data.density)


def test_a_client_may_have_a_single_node_and_no_edge():
    source = dealt(RandomPartitioner(34))
    data = source.client_data(0).data
    assert data.x.size(0) == 1
    assert data.edge_index.size(1) == 1  # its self-loop
    assert data.density.isfinite().all()
