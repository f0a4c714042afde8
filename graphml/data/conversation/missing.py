"""Utterances that lose a modality: how a model fares when a camera or a microphone fails."""

import zlib

import numpy as np

from graphml.data.conversation.table import Conversations


def lose_modality(conversations: Conversations, modality: str, share: float, split: str, seed: int) -> Conversations:
    """Take a modality from some utterances of a split.

    Args:
        conversations: Conversations that have the modality.
        modality: Its name.
        share: Share of the split's utterances that lose it, in [0, 1].
        split: Name of the split.
        seed: Seed of the draw; a larger share with the same seed takes the same utterances and more.

    Returns:
        The conversations with rows of NaN there; where text is lost, without the words as well.

    Raises:
        ValueError: If the modality is not there or the share is out of range.
    """
    if modality not in conversations.features:
        raise ValueError(f"missing: expected one of {', '.join(conversations.features)}, got {modality!r}")
    if not 0 <= share <= 1:
        raise ValueError(f"missing: expected a share in [0, 1] for {modality}, got {share}")
    inside = np.array([u.split == split for u in conversations.utterances])
    # A draw of its own for each modality: they fail apart from each other.
    rng = np.random.default_rng([seed, zlib.crc32(modality.encode())])
    lost = inside & (rng.random(len(inside)) < share)
    features, utterances = dict(conversations.features), list(conversations.utterances)
    for name in {modality, "words"} & features.keys() if modality == "text" else {modality}:
        features[name] = np.where(lost[:, None], np.float32(np.nan), features[name])
    if modality == "text":
        utterances = [u._replace(text="") if gone else u for u, gone in zip(utterances, lost, strict=True)]
    return type(conversations)(utterances, conversations.classes, features)
