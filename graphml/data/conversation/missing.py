"""Utterances that lose a modality: how a model fares when a camera or a microphone fails."""

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
        The conversations with rows of NaN there.

    Raises:
        ValueError: If the modality is not there or the share is out of range.
    """
    if modality not in conversations.features:
        raise ValueError(f"missing: expected one of {', '.join(conversations.features)}, got {modality!r}")
    if not 0 <= share <= 1:
        raise ValueError(f"missing: expected a share in [0, 1] for {modality}, got {share}")
    inside = np.array([u.split == split for u in conversations.utterances])
    lost = inside & (np.random.default_rng(seed).random(len(inside)) < share)
    x = np.where(lost[:, None], np.float32(np.nan), conversations.features[modality])
    return conversations.with_features({**conversations.features, modality: x})
