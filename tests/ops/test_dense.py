"""Features in dense form."""

import torch

from graphml.ops import as_dense


def test_dense_features_stay_and_sparse_ones_are_filled_up():
    x = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
    assert as_dense(x) is x
    for sparse in (x.to_sparse_csr(), x.to_sparse_coo()):
        assert torch.equal(as_dense(sparse), x)
