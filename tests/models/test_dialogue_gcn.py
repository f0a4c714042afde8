"""DialogueGCN: its convolutions against dense matrices (tests/experiments compares the whole network)."""

import pytest
import torch

from graphml.data.samples import synthetic_dialogues
from graphml.models import DialogueGCN
from graphml.ops import DialogueBatch, DialogueEdges, speaker_pair_edges

CHANNELS = {"text": 5, "audio": 3}


@pytest.fixture
def model() -> DialogueGCN:
    return DialogueGCN(CHANNELS, 6, 2, hidden_channels=4, past=3, future=2).double().eval()


@pytest.fixture
def batch() -> DialogueBatch:
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0, 1])
    batch.features.update({name: x.double() for name, x in batch.features.items()})
    return batch


def test_convolutions_equal_the_equations(model: DialogueGCN, batch: DialogueBatch) -> None:
    edges = speaker_pair_edges(batch.lengths, batch.speakers, past=2, future=3)
    source, target = edges.edge_index
    g = torch.randn(batch.num_utterances, 8, dtype=torch.float64)
    near = torch.zeros(len(g), len(g), dtype=torch.bool).index_put((target, source), torch.tensor(True))
    scores = g @ (g @ model.edge_attention.weight.t()).t()  # g_i W_e g_j with W_e at the source of the edge or its end
    alpha = scores.t().masked_fill(~near, -torch.inf).softmax(1)
    hidden = alpha.diag()[:, None] * model.self_weight(g)
    for relation, weight in enumerate(model.relation_weights()):
        mine = torch.zeros_like(near).index_put((target, source), edges.relation == relation)
        hidden = hidden + (alpha * mine / mine.sum(1, keepdim=True).clamp(min=1)) @ g @ weight
    hidden = hidden.relu()
    neighbors = near.double() @ hidden @ model.neighbor_weight2.weight.t()
    expected = (neighbors + alpha.diag()[:, None] * model.self_weight2(hidden)).relu()
    torch.testing.assert_close(model.convolve(g, edges), expected)


def test_an_utterance_hears_its_window(model: DialogueGCN, batch: DialogueBatch, monkeypatch) -> None:
    seen = []

    def convolve(context: torch.Tensor, edges: DialogueEdges) -> torch.Tensor:
        seen.append(edges.edge_index)
        return context[:, :4]

    monkeypatch.setattr(model, "convolve", convolve)
    model(batch)
    source, target = seen[0]
    assert source[target == 10].tolist() == [7, 8, 9, 10, 11, 12]


def test_relations_and_edge_weights_reach_the_result(model: DialogueGCN, batch: DialogueBatch) -> None:
    edges = speaker_pair_edges(batch.lengths, batch.speakers)
    g = torch.randn(batch.num_utterances, 8, dtype=torch.float64)
    before = model.convolve(g, edges)
    assert not torch.allclose(before, model.convolve(g, edges._replace(relation=7 - edges.relation)))
    with torch.no_grad():
        model.edge_attention.weight.mul_(-1)
    assert not torch.allclose(before, model.convolve(g, edges))


def test_attention_covers_the_dialogue_and_no_padding(model: DialogueGCN, batch: DialogueBatch) -> None:
    h = torch.randn(batch.num_utterances, 12, dtype=torch.float64)
    parts = h.split(batch.lengths.tolist())
    expected = [torch.softmax(model.attention(part) @ part.t(), 1) @ part for part in parts]
    torch.testing.assert_close(model.attend(h, batch.batch), torch.cat(expected))
