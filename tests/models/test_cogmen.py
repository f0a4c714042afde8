"""COGMEN: its graph layers against PyG's, its encoder against one dialogue at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn import RGCNConv

from graphml.data.samples import synthetic_dialogues
from graphml.models import COGMEN
from graphml.ops import speaker_pair_edges

CHANNELS = {"text": 5, "audio": 3}


def test_graph_layers_equal_those_of_pyg() -> None:
    model = COGMEN(CHANNELS, 6, 2, hidden_channels=8).double()
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0, 1])
    edges = speaker_pair_edges(batch.lengths, batch.speakers)
    conv = RGCNConv(8, 8, 8).double()
    with torch.no_grad():
        conv.weight.copy_(model.relation_weights())
        conv.root.copy_(model.self_weight.weight.t())
        conv.bias.copy_(model.self_weight.bias)
    x = torch.randn(batch.num_utterances, 8, dtype=torch.float64)
    attended = model.graph_attention(conv(x, edges.edge_index, edges.relation), edges.edge_index)
    torch.testing.assert_close(model.convolve(x, edges), F.leaky_relu(model.norm(attended)))


def test_relations_reach_the_result() -> None:
    model = COGMEN(CHANNELS, 6, 2, hidden_channels=8)
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0])
    edges = speaker_pair_edges(batch.lengths, batch.speakers)
    x = torch.randn(batch.num_utterances, 8)
    other = edges._replace(relation=7 - edges.relation)
    assert not torch.allclose(model.convolve(x, edges), model.convolve(x, other))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="hidden_channels: expected a multiple of heads 4, got 6"):
        COGMEN(CHANNELS, 6, 2, hidden_channels=6)
