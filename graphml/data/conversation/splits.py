"""Splits of conversations: always whole dialogues, because neighbours in a dialogue know each other's emotions."""

import dataclasses
from collections.abc import Callable, Collection

import numpy as np

from graphml.data.conversation.table import Conversations

VAL_FRACTION, TEST_FRACTION = 0.1, 0.2
"""Shares of the dialogues to validate and to test on, where a corpus has no split of its own."""


def assign_splits(conversations: Conversations, split_of: Callable[[str], str | None]) -> Conversations:
    """Move dialogues to other splits.

    Args:
        conversations: The conversations.
        split_of: Function of a dialogue's name that gives its split, or None to leave it where it is.
    """
    rows = []
    for u in conversations.utterances:
        split = split_of(u.dialogue)
        rows.append(u if split is None else u._replace(split=split))
    return dataclasses.replace(conversations, utterances=rows)


def move_to_validation(conversations: Conversations, dialogues: Collection[str]) -> Conversations:
    """Take dialogues from training for validation.

    Args:
        conversations: The conversations.
        dialogues: Names of the dialogues.
    """
    return assign_splits(conversations, lambda name: "val" if name in dialogues else None)


def random_dialogue_split(
    conversations: Conversations,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
    seed: int = 0,
) -> Conversations:
    """Split by dialogue at random.

    Args:
        conversations: The conversations.
        val_fraction: Share of the dialogues to validate on, in (0, 1); at least one dialogue.
        test_fraction: Share to test on, likewise.
        seed: Seed of the draw.

    Raises:
        ValueError: If a share is out of range, or fewer than three dialogues are to be split.
    """
    names = np.array(conversations.dialogues)
    for option, share in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 < share < 1:
            raise ValueError(f"{option}: expected a share in (0, 1), got {share}")
    num_val, num_test = (max(1, round(share * len(names))) for share in (val_fraction, test_fraction))
    if num_val + num_test >= len(names):
        raise ValueError(
            f"val_fraction, test_fraction: expected to leave dialogues to train on, but {num_val} and {num_test} of "
            f"{len(names)} dialogues are taken"
        )
    order = np.random.default_rng(seed).permutation(names)
    where = dict.fromkeys(order[:num_val], "val") | dict.fromkeys(order[num_val : num_val + num_test], "test")
    return assign_splits(conversations, lambda name: where.get(name, "train"))
