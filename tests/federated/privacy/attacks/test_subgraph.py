import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components, shortest_path
from torch_geometric.data import Data
from torch_geometric.utils import to_dense_adj

from graphml.data import NodeDataModule
from graphml.federated.privacy.attacks import connected_nodes, dense_adjacency, small_client


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [1, 5, 20])
def test_nodes_are_the_nearest_around_one(graphs, size):
    data = graphs[0]
    nodes = connected_nodes(data, size, generator())
    assert len(nodes.unique()) == size
    whole = dense_adjacency(data.edge_index, data.num_nodes).numpy()
    part = whole[np.ix_(nodes, nodes)]
    assert connected_components(part)[0] == 1
    steps = shortest_path(whole, unweighted=True)
    outside = torch.ones(data.num_nodes, dtype=torch.bool).index_fill(0, nodes, False).numpy()
    assert any(steps[centre][nodes.numpy()].max() <= steps[centre][outside].min() for centre in nodes)


def test_nodes_depend_on_the_generator_alone(graphs):
    assert torch.equal(connected_nodes(graphs[1], 7, generator(3)), connected_nodes(graphs[1], 7, generator(3)))
    drawn = [connected_nodes(graphs[1], 7, generator(seed)) for seed in range(5)]
    assert any(not torch.equal(drawn[0], other) for other in drawn)


def test_small_pieces_are_passed_over_and_too_large_wishes_refused():
    data = Data(edge_index=torch.tensor([[0, 1, 2, 3, 3, 4], [1, 0, 3, 2, 4, 3]]), num_nodes=6)
    assert all(connected_nodes(data, 3, generator(seed)).tolist() == [2, 3, 4] for seed in range(4))
    with pytest.raises(ValueError, match="num_nodes: expected at most the size of the graph's largest piece, got 4"):
        connected_nodes(data, 4, generator())
    with pytest.raises(ValueError, match="num_nodes: expected at least 1, got 0"):
        connected_nodes(data, 0, generator())


@pytest.mark.parametrize("options", [{"self_loops": True}, {"self_loops": False}, {"sparse_features": True}])
def test_a_small_client_is_the_induced_subgraph_with_its_own_normalisation(options):
    module = NodeDataModule("karate", **options)
    nodes = connected_nodes(module.data, 8, generator())
    found = small_client(module.data, nodes)
    assert torch.equal(found.x, module.raw.x[nodes])
    assert torch.equal(found.y, module.raw.y[nodes])
    assert found.train_mask.all()
    assert not (found.val_mask | found.test_mask).any()
    whole = to_dense_adj(module.raw.edge_index, max_num_nodes=34)[0][nodes][:, nodes]
    assert torch.equal(dense_adjacency(found.edge_index, 8), whole.double())
    whole = whole + torch.eye(8) if options.get("self_loops") else whole
    scale = whole.sum(1).rsqrt()
    weights = torch.zeros(8, 8)
    weights[tuple(found.edge_index.as_tensor())] = found.edge_weight
    torch.testing.assert_close(weights, scale[:, None] * whole * scale)
