"""DER-GCN: its graph, what reaches its output, and nothing masked at evaluation."""

import dataclasses

import networkx as nx
import pytest
import torch

from graphml.data import PackedDialogues
from graphml.models import DERGCN
from graphml.nn import AttentionWeight
from graphml.ops import DialogueBatch, DialogueLinks

CHANNELS = {"text": 6, "audio": 3}


def dialogues(links: bool = True) -> PackedDialogues:
    lengths = torch.tensor([4, 1, 13])
    speakers = torch.tensor([0, 1, 1, 0] + [0] + [0, 1, 2] * 4 + [0])
    features = {name: torch.randn(18, width) for name, width in CHANNELS.items()}
    given = DialogueLinks(torch.tensor([[0, 3, 5, 17], [3, 0, 17, 5]]), torch.tensor([0.5, 0.5, 0.9, 0.9]))
    return PackedDialogues(lengths, speakers, features, None, given if links else None)


def build(**options) -> DERGCN:
    return DERGCN(CHANNELS, 5, 3, hidden_channels=8, **options).eval()


def everything() -> DialogueBatch:
    return dialogues().select([0, 1, 2])


def test_the_graph_is_that_of_the_definition() -> None:
    model, batch = build(windows=[(2, 1), (-1, -1)]), everything()
    edges, strength = model.graph(batch)
    expected = nx.MultiDiGraph()
    speakers, dialogue, place = batch.speakers.tolist(), batch.batch.tolist(), batch.position.tolist()
    for target in range(18):
        expected.add_edge(target, target, key=0)
        for source in range(18):
            if source == target or dialogue[source] != dialogue[target]:
                continue
            other = speakers[source] != speakers[target]
            if -2 <= place[source] - place[target] <= 1:
                expected.add_edge(source, target, key=1 + other)
            expected.add_edge(source, target, key=3 + other)
    for source, target in ((0, 3), (3, 0), (5, 17), (17, 5)):
        expected.add_edge(source, target, key=5)
    found = list(zip(*edges.edge_index.tolist(), edges.relation.tolist(), strict=True))
    assert sorted(found) == sorted(expected.edges(keys=True))
    assert edges.edge_index[1].tolist() == sorted(edges.edge_index[1].tolist())
    assert edges.rowptr.diff().tolist() == [degree for _, degree in sorted(expected.in_degree())]
    assert strength[edges.relation == 5].tolist() == pytest.approx([0.5, 0.5, 0.9, 0.9])
    assert (strength[edges.relation != 5] == 1).all()
    assert len(model.relation_names) == 6


def test_directed_relations_tell_past_from_future() -> None:
    model, batch = build(directed=True, windows=[(1, 1)], events=False), everything()
    edges, _ = model.graph(batch)
    assert len(model.relation_names) == 5
    kinds = {(s, t): r for s, t, r in zip(*edges.edge_index.tolist(), edges.relation.tolist(), strict=True)}
    assert model.relation_names[kinds[1, 2]] == "same speaker, past, window 1/1"
    assert model.relation_names[kinds[2, 1]] == "same speaker, future, window 1/1"
    assert model.relation_names[kinds[0, 1]] == "other speaker, past, window 1/1"
    assert model.relation_names[kinds[1, 0]] == "other speaker, future, window 1/1"


@pytest.mark.parametrize("edge_weight", [None, AttentionWeight])
def test_edge_weights_and_event_strengths_reach_the_logits(edge_weight) -> None:
    model, batch = build(**({} if edge_weight is None else {"edge_weight": edge_weight})), everything()
    before = model(batch)
    assert batch.links is not None
    # An utterance with two events takes more of the stronger one.
    edge_index = torch.tensor([[5, 9, 17, 17], [17, 17, 5, 9]])
    for weights in ([0.1, 0.9, 0.1, 0.9], [0.9, 0.1, 0.9, 0.1]):
        links = DialogueLinks(edge_index, torch.tensor(weights))
        after = model(dataclasses.replace(batch, links=links))
        assert not torch.allclose(before[17], after[17], atol=1e-6)
        before = after
    if edge_weight is not None:
        torch.nn.init.ones_(model.edge_weight.source.weight)
        assert not torch.allclose(before, model(dataclasses.replace(batch, links=links)), atol=1e-6)


def test_nothing_is_masked_at_evaluation() -> None:
    model, batch = build(), everything()
    assert torch.equal(model(batch), model(batch))
    state = torch.random.get_rng_state()
    model(batch)
    assert torch.equal(state, torch.random.get_rng_state())


def test_company_in_the_batch_does_not_change_a_dialogue_with_events() -> None:
    model, data = build(), dialogues()
    together = model(data.select([2, 0, 1]))
    alone = torch.cat([model(data.select([number])) for number in (2, 0, 1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_missing_modality_leaves_the_other_alone() -> None:
    """The sound of an utterance without sound counts nowhere: neither its own value nor a zero in its place."""
    model, batch = build(), everything()
    batch.features["audio"][[0, 7]] = torch.nan
    before = model(batch)
    assert before.isfinite().all()
    without = dataclasses.replace(batch, features=dict(batch.features))
    model.convs["audio"].norm.running_mean.fill_(3.0)  # what a zero would stand for
    encoded = model.encode(without)
    source, _ = encoded.edges.edge_index
    assert not encoded.there["audio"][source[source == 0]].any()
    silent = dataclasses.replace(batch, features={**batch.features, "audio": torch.full((18, 3), torch.nan)})
    assert model(silent).isfinite().all()


def test_every_parameter_learns_from_the_three_losses() -> None:
    model, batch = build().train(), everything()
    encoded = model.encode(batch)
    loss = model.head(encoded.hidden).square().sum() + model.project(encoded).square().sum()
    (loss + model.reconstruction_loss(encoded, torch.Generator().manual_seed(0))).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


def test_attention_over_relations_adds_up_and_skips_relations_without_edges() -> None:
    encoded = build().encode(everything())
    torch.testing.assert_close(encoded.attention.sum(1), torch.ones(18))
    assert (encoded.attention[4, 1:] == 0).all()  # the only utterance of its dialogue
    plain = build(transformer_layers=0).encode(everything())
    assert plain.hidden.size(1) == 8
    torch.testing.assert_close(plain.attention.sum(1), torch.ones(18))


def test_a_batch_without_links_has_no_events() -> None:
    edges, _ = build().graph(dialogues(links=False).select([0, 2]))
    assert int(edges.relation.max()) == 4
    edges, _ = build(events=False).graph(everything())
    assert int(edges.relation.max()) == 4


def test_a_recurrent_context_joins_the_modalities_and_stays_in_its_dialogue() -> None:
    model, data = build(context_layers=1, windows=[], events=False), dialogues()
    batch = data.select([0, 2])
    features = {name: x.requires_grad_() for name, x in batch.features.items()}
    model(batch)[2].square().sum().backward()  # without windows, what is heard of others comes through the context
    assert features["text"].grad is not None
    assert (features["text"].grad[:4] != 0).any(1).all()
    assert (features["text"].grad[4:] == 0).all()
    with pytest.raises(ValueError, match="in_channels: expected other names than 'context'"):
        DERGCN({"context": 3}, 5, 3)


def test_with_a_bottleneck_neighbours_are_heard_once_learned() -> None:
    model, batch = build(bottleneck=2, events=False), everything()
    changed = dataclasses.replace(batch, features={name: x.clone() for name, x in batch.features.items()})
    for x in changed.features.values():
        x[3] += 1
    before, after = model(batch), model(changed)
    assert (before != after).any(1).nonzero().flatten().tolist() == [3]
    for name in CHANNELS:
        torch.nn.init.normal_(model.convs[name].conv.weight)
    before, after = model(batch), model(changed)
    assert (before != after).any(1).nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_with_a_bottleneck_all_losses_have_gradients() -> None:
    model = build(bottleneck=2, context_layers=1).train()
    encoded = model.encode(everything())
    loss = model.reconstruction_loss(encoded, torch.Generator().manual_seed(0)) + model.head(encoded.hidden).sum()
    loss.backward()
    assert model.convs["context"].own.weight.grad.any()
    assert model.convs["text"].conv.weight.grad.any()
