"""MMGCN: its layers against PyG's GCNII, its weights against the paper's formula; its nodes."""

import math

import torch
from torch_geometric.nn import GCN2Conv

from graphml.data.samples import synthetic_dialogues
from graphml.models import MMGCN
from graphml.models.modality_nodes import ModalityNodes, by_utterance
from graphml.ops import adjacency_pattern, modality_edges, symmetric_normalize

CHANNELS = {"text": 5, "audio": 3}


def test_layers_equal_gcnii() -> None:
    model = MMGCN(CHANNELS, 6, 2, hidden_channels=4, num_layers=3, residual=0.2, identity=0.7).double().eval()
    edges = modality_edges(torch.tensor([3, 1, 4]), 2).edge_index
    weight = symmetric_normalize(edges, torch.rand(edges.size(1), dtype=torch.float64), 16)
    first = torch.randn(16, 4, dtype=torch.float64)
    expected = first
    for number, layer in enumerate(model.layers, start=1):
        conv = GCN2Conv(4, 0.2, 0.7, number, normalize=False, add_self_loops=False).double()
        with torch.no_grad():
            conv.weight1.copy_(layer.weight.t())
        expected = conv(expected, first, edges, weight).relu()
    pattern = adjacency_pattern(edges, 16)
    torch.testing.assert_close(model.convolve(first, pattern, pattern.in_order(weight)), expected)


def test_the_network_equals_the_paper_on_dense_matrices() -> None:
    model = MMGCN(CHANNELS, 6, 2, hidden_channels=4, num_layers=2).double().eval()
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0])
    batch.features.update({name: x.double() for name, x in batch.features.items()})
    x, size = model.nodes(batch), batch.num_utterances
    unit = torch.nn.functional.normalize(x)
    weight = 1 - torch.acos(0.99999 * unit @ unit.t()) / math.pi
    joined = torch.block_diag(torch.ones(size, size), torch.ones(size, size)) + torch.eye(2 * size).roll(size, 0)
    weight = weight * joined
    scale = weight.sum(1).rsqrt()
    weight = scale[:, None] * weight * scale
    first = h = model.project(x).relu()
    for number, layer in enumerate(model.layers, start=1):
        strength = math.log(0.5 / number + 1)
        h = 0.9 * weight @ h + 0.1 * first
        h = ((1 - strength) * h + strength * layer(h)).relu()
    both = torch.cat([x, h], dim=1)
    expected = model.classify(torch.cat([both[:size], both[size:]], dim=1))
    torch.testing.assert_close(model(batch), expected)


def test_nodes_are_utterances_of_one_modality_after_the_other() -> None:
    nodes = ModalityNodes(CHANNELS, 2, 4).eval()
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0])
    audio = nodes.project["audio"](batch.features["audio"]) + nodes.speakers(batch.speakers)
    out = nodes(batch)
    torch.testing.assert_close(out[batch.num_utterances :], audio)
    torch.testing.assert_close(by_utterance(out, 2)[:, 4:], audio)
