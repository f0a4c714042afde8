"""The GCN classifier against PyG's layers."""

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn import GCNConv

from graphml.data import NodeDataModule
from graphml.models import GCN


def test_it_equals_pygs_convolutions():
    data = NodeDataModule("karate", self_loops=True).data
    model = GCN(data.x.size(1), 2, hidden_channels=5).eval()
    first, second = GCNConv(data.x.size(1), 5), GCNConv(5, 2)
    for layer, conv in enumerate((first, second)):
        torch.nn.init.normal_(model.biases[layer].bias)
        conv.lin.weight, conv.bias = model.lins[layer].weight, model.biases[layer].bias
    raw = data.edge_index.as_tensor().long()
    raw = raw[:, raw[0] != raw[1]]
    expected = second(F.relu(first(data.x, raw)), raw)
    torch.testing.assert_close(model(data.x, data.edge_index, data.edge_weight), expected)


def test_sparse_features_give_the_same():
    data = NodeDataModule("karate", self_loops=True).data
    model = GCN(data.x.size(1), 2).eval()
    dense = model(data.x, data.edge_index, data.edge_weight)
    torch.testing.assert_close(model(data.x.to_sparse_csr(), data.edge_index, data.edge_weight), dense)


def test_depth_must_be_positive():
    with pytest.raises(ValueError, match="num_layers: expected an integer >= 1, got 0"):
        GCN(3, 2, num_layers=0)


def test_layers_may_have_weights_of_their_own():
    data = NodeDataModule("karate", self_loops=True).data
    model = GCN(data.x.size(1), 2).eval()
    source, target = data.edge_index.as_tensor()
    matrix = torch.zeros(34, 34).index_put((target, source), data.edge_weight)
    weights = torch.stack([(source == target).float(), data.edge_weight])
    ready = model(matrix @ data.x, data.edge_index, weights)
    torch.testing.assert_close(ready, model(data.x, data.edge_index, data.edge_weight))
