"""Weights of edges."""

import math

import torch

from graphml.nn import AngularWeight, AttentionWeight
from graphml.ops import dialogue_edges

EDGES = dialogue_edges(torch.tensor([3, 2]), torch.tensor([0, 1, 0, 0, 1]))


def test_the_angular_weight_falls_with_the_angle() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    weight = AngularWeight(2)(x, EDGES)
    found = {
        pair: value for pair, value in zip(zip(*EDGES.edge_index.tolist(), strict=True), weight.tolist(), strict=True)
    }
    assert math.isclose(found[0, 1], 0.5, abs_tol=1e-6)
    assert found[0, 2] < 0.01
    assert found[3, 4] > 0.99


def test_the_attention_weight_is_gats_score() -> None:
    layer, x = AttentionWeight(3), torch.randn(5, 3)
    source, target = EDGES.edge_index
    score = x[source] @ layer.source.weight[0] + x[target] @ layer.target.weight[0]
    torch.testing.assert_close(layer(x, EDGES), torch.nn.functional.leaky_relu(score, 0.2).exp())
    assert torch.isfinite(layer(1e4 * x, EDGES)).all()
