"""Utterances that lose a modality."""

import numpy as np
import pytest

from graphml.data.conversation.missing import lose_modality


def lost(conversations, share: float, seed: int = 0) -> np.ndarray:
    return np.isnan(lose_modality(conversations, "audio", share, "test", seed).features["audio"]).all(axis=1)


def test_a_share_of_the_split_loses_it_and_nobody_else(make_conversations) -> None:
    conversations = make_conversations(60)
    inside = np.array([u.split == "test" for u in conversations.utterances])
    half, most, everything = (lost(conversations, share) for share in (0.5, 0.8, 1.0))
    assert not half[~inside].any()
    assert 0.35 < half[inside].mean() < 0.65
    assert (most | ~half).all()  # who loses it at a half loses it at more
    assert (everything == inside).all()
    assert not lost(conversations, 0.0).any()
    assert (lost(conversations, 0.5, 1) != half).any()


def test_the_other_modality_and_the_given_table_stay(conversations) -> None:
    after = lose_modality(conversations, "audio", 1.0, "test", 0)
    np.testing.assert_array_equal(after.features["text"], conversations.features["text"])
    assert not np.isnan(conversations.features["audio"]).any()


def test_other_names_and_shares_are_refused(conversations) -> None:
    with pytest.raises(ValueError, match="missing: expected one of text, audio, got 'visual'"):
        lose_modality(conversations, "visual", 0.5, "test", 0)
    with pytest.raises(ValueError, match=r"missing: expected a share in \[0, 1\] for audio, got 2"):
        lose_modality(conversations, "audio", 2, "test", 0)


def test_modalities_fail_apart_and_lost_text_takes_the_words_along(make_conversations) -> None:
    given = make_conversations(60)
    given = given.with_features({**given.features, "words": given.features["text"].copy()})
    both = lose_modality(lose_modality(given, "audio", 0.5, "test", 0), "text", 0.5, "test", 0)
    audio, text, words = (np.isnan(both.features[name]).all(axis=1) for name in ("audio", "text", "words"))
    assert (text == words).all()
    assert (text != audio).any()
    assert [not u.text for u in both.utterances] == text.tolist()
