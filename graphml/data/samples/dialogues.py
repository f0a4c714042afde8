"""Dialogues with the lengths and speakers of the two common corpora, their features drawn at random."""

from typing import NamedTuple

import numpy as np
import torch

from graphml.data.packed import PackedDialogues


class Corpus(NamedTuple):
    """What a corpus of dialogues looks like.

    Attributes:
        dialogues: Number of dialogues.
        shortest: Fewest utterances in a dialogue.
        longest: Most.
        mean: On average.
        speakers: Most speakers in a dialogue.
        classes: Number of emotions.
    """

    dialogues: int
    shortest: int
    longest: int
    mean: float
    speakers: int
    classes: int


CORPORA = {
    "IEMOCAP": Corpus(151, 8, 110, 49.2, 2, 6),
    "MELD": Corpus(1038, 1, 33, 9.6, 9, 7),
}


def synthetic_dialogues(
    corpus: str = "IEMOCAP", channels: dict[str, int] | None = None, seed: int = 0
) -> PackedDialogues:
    """Draw dialogues with the sizes of IEMOCAP or of MELD's training split.

    Lengths follow a beta distribution between the corpus's extremes with its mean; turns pass to another speaker with
    probability 0.7. Features and labels are noise.

    Args:
        corpus: "IEMOCAP" (151 dialogues of 8 to 110 utterances, 49.2 on average, 2 speakers, 6 emotions) or "MELD"
            (1,038 of 1 to 33, 9.6 on average, up to 9 speakers, 7 emotions).
        channels: Features of each modality; default: text 1024, audio 1582, video 342.
        seed: Seed of the draw; the same seed gives the same dialogues.

    Returns:
        The dialogues, on the CPU.

    Raises:
        ValueError: If the corpus is unknown.
    """
    if corpus not in CORPORA:
        raise ValueError(f"corpus: expected one of {', '.join(CORPORA)}, got {corpus!r}")
    shape, rng = CORPORA[corpus], np.random.default_rng(seed)
    share = (shape.mean - shape.shortest) / (shape.longest - shape.shortest)
    draw = rng.beta(4 * share, 4 * (1 - share), shape.dialogues)
    lengths = np.rint(shape.shortest + draw * (shape.longest - shape.shortest)).astype(np.int64)
    total = int(lengths.sum())
    people = np.repeat(rng.integers(2, shape.speakers + 1, shape.dialogues), lengths)
    # Whoever speaks next is some steps further round the table: one step of 1 to S - 1 with probability 0.7.
    steps = np.where(rng.random(total) < 0.7, 1 + rng.integers(0, 2**31, total) % (people - 1), 0)
    table = np.cumsum(steps)
    start = np.repeat(np.cumsum(lengths) - lengths, lengths)
    speakers = (table - table[start]) % people
    sizes = {"text": 1024, "audio": 1582, "video": 342} if channels is None else channels
    features = {
        name: torch.from_numpy(rng.standard_normal((total, width), dtype=np.float32)) for name, width in sizes.items()
    }
    labels = torch.from_numpy(rng.integers(0, shape.classes, total))
    return PackedDialogues(torch.from_numpy(lengths), torch.from_numpy(speakers), features, labels)
