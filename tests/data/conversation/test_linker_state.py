"""Linkers as plain values: what was fitted on the training split links elsewhere as it did there."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.data.conversation import (
    Conversations,
    EmbeddingLinker,
    EventLinker,
    GivenEventsLinker,
    Linker,
    SharedWordsLinker,
    fit_linker,
    linker_state,
    load_linker,
)
from graphml.ops import DialogueLinks

LINKERS = [
    SharedWordsLinker(0.2, 2),
    SharedWordsLinker(0.3, stop_words=["the"]),
    EmbeddingLinker("audio", 0.1, 3),
    EmbeddingLinker(),
    GivenEventsLinker(),
    EventLinker(words=SharedWordsLinker(0.15)),
]


def unlinked(conversations: Conversations) -> DialogueLinks:
    """No links."""
    return DialogueLinks(torch.empty(2, 0, dtype=torch.int64), torch.empty(0))


@pytest.fixture
def given(conversations) -> Conversations:
    """Conversations of some rare and some common words, whose utterances name events."""
    rng = np.random.default_rng(0)
    words = ["harbour", "kitchen", "letter", "garden", "violin", "train", "doctor", "the", "of"]
    rows = [
        u._replace(event=f"e{number % 3}", text=" ".join(rng.choice(words, 4, p=np.arange(1, 10) / 45)))
        for number, u in enumerate(conversations.utterances)
    ]
    return dataclasses.replace(conversations, utterances=rows)


def through_a_file(linker: Linker, place: Path) -> Linker:
    torch.save(linker_state(linker), place)
    return load_linker(torch.load(place, weights_only=True))


@pytest.mark.parametrize("linker", LINKERS, ids=lambda linker: type(linker).__name__)
def test_a_rebuilt_linker_links_the_test_split_alone_as_in_view_of_training(linker, given, tmp_path) -> None:
    linker = copy.deepcopy(linker)
    expected = linker(given)  # not fitted: its frequencies and mean are those of these conversations
    rebuilt = through_a_file(fit_linker(linker, given), tmp_path / "linker.pt")
    for part, other in zip(rebuilt(given), expected, strict=True):
        assert torch.equal(part, other)
    tested = [number for number, u in enumerate(given.utterances) if u.split == "test"]
    row = {number: place for place, number in enumerate(tested)}
    edges = [tuple(edge) for edge in expected.edge_index.T.tolist()]
    inside = [(row[source], row[target]) for source, target in edges if source in row]
    alone = rebuilt(given.only("test"))
    assert [tuple(edge) for edge in alone.edge_index.T.tolist()] == inside
    assert len(inside) > 0
    weights = torch.tensor([w for w, (source, _) in zip(expected.weight.tolist(), edges, strict=True) if source in row])
    torch.testing.assert_close(alone.weight, weights)


def test_what_was_fitted_counts_and_not_the_conversations_at_hand(given) -> None:
    fitted = fit_linker(SharedWordsLinker(0), given)
    test = given.only("test")
    assert not torch.equal(fitted(test).weight, SharedWordsLinker(0)(test).weight)


def test_a_default_linker_stays_with_what_it_was_fitted_as(conversations) -> None:
    silent = dataclasses.replace(conversations, utterances=[u._replace(text="") for u in conversations.utterances])
    assert isinstance(fit_linker(EventLinker(), conversations), SharedWordsLinker)
    fitted = fit_linker(EventLinker(), silent)
    assert isinstance(fitted, EmbeddingLinker)
    assert torch.equal(fitted(conversations).edge_index, EmbeddingLinker()(conversations).edge_index)


def test_embeddings_of_another_width_than_the_fitted_are_refused(conversations) -> None:
    fitted = fit_linker(EmbeddingLinker(), conversations)
    narrow = conversations.with_features({"text": conversations.features["text"][:, :4]})
    with pytest.raises(
        ValueError, match=r"features\['text'\]: expected 6 numbers, as in those that were fitted, got 4"
    ):
        fitted(narrow)


@pytest.mark.parametrize("linker", [unlinked, lambda conversations: unlinked(conversations)])
def test_a_linker_without_state_is_named_and_cannot_be_rebuilt(linker, conversations) -> None:
    assert fit_linker(linker, conversations) is linker
    state = linker_state(linker)
    assert set(state) == {"class_path"}
    with pytest.raises(
        ValueError, match=r"linker: expected a class that can be imported and has fit, .*test_linker_state"
    ):
        load_linker(state)
