"""Small conversations for tests."""

from collections.abc import Callable

import numpy as np
import pytest

from graphml.data import Conversations, Utterance

CLASSES = ["happy", "sad", "neutral"]


def build(
    num_dialogues: int = 12, length: int = 5, splits: tuple[str, ...] = ("train", "train", "val", "test"), seed: int = 0
) -> Conversations:
    """Dialogues in which text and audio tell the emotion, with noise; the n-th has split n, in turn."""
    rng = np.random.default_rng(seed)
    words = {"happy": "lovely wonderful day", "sad": "what a terrible loss", "neutral": "the train leaves at ten"}
    rows = []
    for d in range(num_dialogues):
        split = splits[d % len(splits)] if splits else ""
        for number in range(length + d % 3):
            label = CLASSES[rng.integers(3)]
            text = f"{words[label]} {rng.integers(4)}"
            rows.append(Utterance(f"d{d}", str(number), "AB"[number % 2], text=text, label=label, split=split))
    y = np.array([CLASSES.index(row.label) for row in rows])
    features = {
        "text": np.eye(3, 6)[y] + 0.5 * rng.standard_normal((len(y), 6)),
        "audio": 3.0 + np.eye(3, 4)[y] + rng.standard_normal((len(y), 4)),
    }
    return Conversations(rows, CLASSES, {name: x.astype(np.float32) for name, x in features.items()})


@pytest.fixture
def make_conversations() -> Callable[..., Conversations]:
    return build


@pytest.fixture
def conversations() -> Conversations:
    return build()
