import torch

from graphml.models import IdentityEncoder


def test_dense_features_pass_as_they_are(graph):
    encoder = IdentityEncoder(7)
    assert encoder(graph.x, graph.edge_index, graph.edge_weight, graph.density) is graph.x
    assert encoder.in_channels == encoder.out_channels == 7
    assert list(encoder.parameters()) == []


def test_sparse_features_become_dense(graph):
    out = IdentityEncoder(7)(graph.x.to_sparse_csr(), graph.edge_index, graph.edge_weight)
    assert out.layout == torch.strided
    assert torch.equal(out, graph.x)
