"""Data modules of conversations: IEMOCAP, MELD, and your own."""

import os
from pathlib import Path
from typing import Any, Literal

from graphml.data.conversation.datamodule import EmotionDataModule
from graphml.data.conversation.feature_pickles import IEMOCAP_CLASSES
from graphml.data.conversation.read import read_conversations
from graphml.data.conversation.splits import (
    TEST_FRACTION,
    VAL_FRACTION,
    assign_splits,
    move_to_validation,
    random_dialogue_split,
)
from graphml.data.conversation.table import Conversations
from graphml.data.pyg_source import DatasetMissingError

# What the literature calls 4-way: happy and excited as one, or excited left out; frustrated is left out of both.
FOUR_WAY = {
    "4-way-merged": {"happy": "happy", "excited": "happy", "sad": "sad", "neutral": "neutral", "angry": "angry"},
    "4-way-dropped": {"happy": "happy", "sad": "sad", "neutral": "neutral", "angry": "angry"},
}
NUM_VALIDATION = 12


class IEMOCAPDataModule(EmotionDataModule):
    """IEMOCAP (Busso et al., 2008): 151 dialogues of two actors, split by speaker: Session 5 is the test set.

    Args:
        path: A feature pickle of the field, the release's folder, or an interchange folder made from one of them;
            default ``$GRAPHML_DATA/erc/IEMOCAP_features.pkl``.
        emotions: "6-way" (happy, sad, neutral, angry, excited, frustrated), "4-way-merged" (excited counts as happy,
            frustrated is left out) or "4-way-dropped" (excited and frustrated are left out). Utterances left out stay
            in their dialogues as context, without a label.
        validation: "first-12", the first 12 dialogues of the training ids (the validation set of COSMIC), or
            "session-4", all of it, whose speakers are then unseen in training.
        **options: Options of `EmotionDataModule`.

    Raises:
        DatasetMissingError: If the corpus is not there.
    """

    def __init__(
        self,
        path: str | None = None,
        emotions: Literal["6-way", "4-way-merged", "4-way-dropped"] = "6-way",
        validation: Literal["first-12", "session-4"] = "first-12",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if emotions not in ("6-way", *FOUR_WAY):
            raise ValueError(f"emotions: expected 6-way, {' or '.join(FOUR_WAY)}, got {emotions!r}")
        if validation not in ("first-12", "session-4"):
            raise ValueError(f"validation: expected first-12 or session-4, got {validation!r}")
        self.path = _corpus_path(path, "IEMOCAP_features.pkl", "IEMOCAP")
        self.emotions, self.validation = emotions, validation

    def read(self) -> Conversations:
        """Read the corpus."""
        found = read_conversations(self.path)
        if self.validation == "session-4":  # whatever the file's own choice
            found = assign_splits(found, lambda name: "train" if name in _names(found, "val") else None)
        training = [name for name in found.dialogues if name in _names(found, "train")]
        chosen = training[:NUM_VALIDATION]
        if self.validation == "session-4":
            chosen = [name for name in training if name.startswith("Ses04")]
        found = move_to_validation(found, set(chosen)) if not len(found.split("val")) else found
        if self.emotions == "6-way":
            return found
        names = FOUR_WAY[self.emotions]
        rows = [u._replace(label=names.get(u.label, "")) for u in found.utterances]
        return Conversations(rows, [name for name in IEMOCAP_CLASSES if name in names.values()], found.features)


class MELDDataModule(EmotionDataModule):
    """MELD (Poria et al., ACL 2019): 1,432 dialogues of the series Friends, seven emotions, with its own splits.

    Args:
        path: A feature pickle of the field, the folder of its CSV files, or an interchange folder made from one of
            them; default ``$GRAPHML_DATA/erc/MELD_features_raw1.pkl``.
        **options: Options of `EmotionDataModule`.

    Raises:
        DatasetMissingError: If the corpus is not there.
    """

    def __init__(self, path: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path = _corpus_path(path, "MELD_features_raw1.pkl", "MELD")

    def read(self) -> Conversations:
        """Read the corpus."""
        return read_conversations(self.path)


class ConversationDataModule(EmotionDataModule):
    """Conversations of your own: the interchange folder of `graphml.data.conversation.folder`, or what it is made from.

    Args:
        path: The folder, or anything that `graphml.data.conversation.read_conversations` reads.
        val_fraction: Share of the dialogues to validate on, where the table has no column ``split``.
        test_fraction: Share to test on, likewise.
        split_seed: Seed of that split, which is by dialogue.
        **options: Options of `EmotionDataModule`.

    Raises:
        DatasetMissingError: If nothing is there.
    """

    def __init__(
        self,
        path: str,
        val_fraction: float = VAL_FRACTION,
        test_fraction: float = TEST_FRACTION,
        split_seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.path = _corpus_path(path, "", "conversations")
        self.val_fraction, self.test_fraction, self.split_seed = val_fraction, test_fraction, split_seed

    def read(self) -> Conversations:
        """Read the conversations."""
        found = read_conversations(self.path)
        if any(u.split for u in found.utterances):
            return found
        return random_dialogue_split(found, self.val_fraction, self.test_fraction, self.split_seed)


def _names(conversations: Conversations, split: str) -> set[str]:
    return {u.dialogue for u in conversations.utterances if u.split == split}


def _corpus_path(path: str | None, name: str, corpus: str) -> Path:
    """Where a corpus lies, checked at once: before a run has begun."""
    folder = os.environ.get("GRAPHML_DATA")
    found = Path(path) if path else Path(folder or ".", "erc", name)
    if not found.exists() or (path is None and not folder):
        hint = f"--data.path, or put {name} into $GRAPHML_DATA/erc" if name else "--data.path"
        raise DatasetMissingError(f"no {corpus} in {found}: name the file or folder with {hint}; see datasets/")
    return found
