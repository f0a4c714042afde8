import pytest
import torch
import torch.nn.functional as F
from torch_geometric.utils import to_dense_adj

from graphml.tasks.objectives import GraphMAE


def test_it_reconstructs_masked_nodes_from_the_others(encoder, batch, seeded):
    objective = GraphMAE(encoder, mask_rate=0.25, gamma=3.0)
    torch.nn.init.normal_(objective.token, generator=seeded(5))
    masked = torch.randperm(120, generator=seeded())[:30]
    x = batch.x.clone()
    x[masked] = objective.token.detach()
    loss = objective(encoder, batch, seeded())
    assert torch.equal(encoder.inputs[0], x)
    codes = encoder(x, batch.edge_index, batch.edge_weight) @ objective.to_decoder.weight.T
    codes[masked] = 0
    adjacency = to_dense_adj(batch.edge_index.as_tensor(), edge_attr=batch.edge_weight, max_num_nodes=120)[0]
    decoded = adjacency @ codes @ objective.decoder.weight.T + objective.decoder.bias
    expected = (1 - F.cosine_similarity(decoded[masked], batch.x[masked])).pow(3).mean()
    torch.testing.assert_close(loss, expected)


def test_the_token_is_learned_and_the_features_are_left_alone(encoder, batch, seeded):
    before = batch.x.clone()
    objective = GraphMAE(encoder)
    objective(encoder, batch, seeded()).backward()
    assert objective.token.grad.any()
    assert torch.equal(batch.x, before)


def test_one_node_is_masked_at_least(encoder, batch, seeded):
    GraphMAE(encoder, mask_rate=1e-6)(encoder, batch, seeded())
    assert (encoder.inputs[0] != batch.x).any(dim=1).sum() == 1


@pytest.mark.parametrize("mask_rate", [0.0, 1.0, -0.5])
def test_mask_rate_is_a_share_between(encoder, mask_rate):
    with pytest.raises(ValueError, match=r"mask_rate: expected a share in \(0, 1\)"):
        GraphMAE(encoder, mask_rate=mask_rate)
