"""RECCON: dialogues whose emotions are annotated with the utterances that caused them.

Poria et al., "Recognizing Emotion Cause in Conversations", Cognitive Computation 13, 2021, arXiv 2012.11820. Read are
the files ``reccon_dailydialog_{train,valid,test}.json`` in the layout of emotion-cause pair extraction: a list of
dialogues ``{"doc_id", "pairs": [[target, cause], ...], "clauses": [{"clause", "clause_id", "emotion_category"}, ...]}``
whose utterances count from 1.
"""

import json
from pathlib import Path
from typing import Any

from graphml.data.conversation.table import Conversations, Utterance

EMOTIONS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
FILES = {"train": "train", "val": "valid", "test": "test"}
# 14 of 11,104 labels are other forms of the seven emotions.
FORMS = {
    "angry": "anger",
    "excited": "happiness",
    "happines": "happiness",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}


def read_reccon(folder: str | Path) -> Conversations:
    """Read RECCON's annotation of DailyDialog.

    An event is what an utterance says that causes emotions: the cause and the utterances whose emotion it causes share
    its name, ``e<number of the cause>``. The files name no speakers; in DailyDialog two take turns, named A and B.

    Args:
        folder: Folder that holds the three files.

    Returns:
        1,106 dialogues of 11,104 utterances with ``text``, ``label``, ``event`` and ``split``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has another layout.
    """
    utterances: list[Utterance] = []
    for split, name in FILES.items():
        file = Path(folder) / f"reccon_dailydialog_{name}.json"
        if not file.is_file():
            raise FileNotFoundError(f"no {file.name} in {folder}: datasets/reccon.md says where it comes from")
        try:
            for document in json.loads(file.read_text("utf-8")):
                utterances += _dialogue(document, split)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            expected = '[{"doc_id", "pairs": [[target, cause], ...], "clauses": [...]}, ...]'
            raise ValueError(f"{file}: expected {expected}: {type(error).__name__}: {error}") from error
    return Conversations(utterances, EMOTIONS)


def _dialogue(document: dict[str, Any], split: str) -> list[Utterance]:
    clauses = document["clauses"]
    events: list[set[int]] = [set() for _ in clauses]
    for target, cause in document["pairs"]:
        if not (1 <= target <= len(clauses) and 1 <= cause <= len(clauses)):
            raise ValueError(f"pair [{target}, {cause}] in a dialogue of {len(clauses)} utterances")
        events[target - 1].add(cause)
        events[cause - 1].add(cause)
    return [
        Utterance(
            dialogue=f"{split}-{document['doc_id']}",
            utterance=str(number),
            speaker="AB"[(number - 1) % 2],
            text=clause["clause"],
            label=FORMS.get(clause["emotion_category"], clause["emotion_category"]),
            event=" ".join(f"e{cause}" for cause in sorted(events[number - 1])),
            split=split,
        )
        for number, clause in enumerate(clauses, start=1)
    ]
