"""Vectors of speakers."""

import pytest
import torch

from graphml.nn import SpeakerEmbedding


def test_each_speaker_has_a_vector_and_the_last_is_shared() -> None:
    layer = SpeakerEmbedding(3, 4)
    out = layer(torch.tensor([0, 1, 2, 7, 0]))
    assert torch.equal(out, layer.weight[[0, 1, 2, 2, 0]])


def test_reset_draws_anew_and_repr_says_the_sizes() -> None:
    layer = SpeakerEmbedding(2, 5)
    before = layer.weight.clone()
    layer.reset_parameters()
    assert not torch.equal(before, layer.weight)
    assert repr(layer) == "SpeakerEmbedding(2, 5)"


def test_no_speakers_are_refused() -> None:
    with pytest.raises(ValueError, match="num_speakers: expected at least 1, got 0"):
        SpeakerEmbedding(0, 4)
