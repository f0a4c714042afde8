"""Conversations as a table: one row an utterance, features beside it, NaN where a modality is missing."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")


class Utterance(NamedTuple):
    """One utterance of a conversation.

    Attributes:
        dialogue: Name of the conversation.
        utterance: Name of the utterance, unique in its conversation.
        speaker: Name of who speaks.
        start: Seconds from the start of the conversation; NaN where unknown.
        end: Likewise.
        text: What is said; empty where unknown.
        audio: File of the recording; empty where there is none.
        label: Emotion; empty where unknown.
        event: Names of the events that the utterance belongs to, separated by spaces; empty where not annotated.
        split: "train", "val" or "test", the same in a whole conversation; empty where it is not given.
    """

    dialogue: str
    utterance: str
    speaker: str
    start: float = math.nan
    end: float = math.nan
    text: str = ""
    audio: str = ""
    label: str = ""
    event: str = ""
    split: str = ""


@dataclass(frozen=True)
class Conversations:
    """Conversations of any corpus, N utterances in D dialogues, those of a dialogue together and in their order.

    Args:
        utterances: The N utterances.
        classes: Emotions in the order of their numbers; labels of other names are errors.
        features: For each modality its float32 features ``[N, F]``. A row of NaN says that the utterance lacks the
            modality; a modality that the whole corpus lacks has no entry.

    Raises:
        ValueError: If there is no utterance, a dialogue comes in pieces, an utterance or a class twice, a label or
            split is unknown, a dialogue lies in two splits, or features do not fit the utterances.
    """

    utterances: Sequence[Utterance]
    classes: Sequence[str]
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.utterances:
            raise ValueError("utterances: expected at least one, got none")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: expected each emotion once, got {', '.join(self.classes)}")
        self._check_rows()
        for name, x in self.features.items():
            if not name.isidentifier():
                raise ValueError(f"features: expected modalities named by letters, digits and _, got {name!r}")
            if x.ndim != 2 or len(x) != len(self.utterances) or x.shape[1] == 0 or x.dtype != np.float32:
                expected = f"float32 of shape [{len(self.utterances)}, F >= 1]"
                raise ValueError(f"features[{name!r}]: expected {expected}, got {x.dtype} of {list(x.shape)}")
            bad = np.isinf(x).any(1) | (np.isnan(x).any(1) & ~np.isnan(x).all(1))
            if bad.any():
                row = self.utterances[int(bad.argmax())]
                raise ValueError(
                    f"features[{name!r}]: expected finite numbers, or a whole row of NaN where the modality is "
                    f"missing; got others in {int(bad.sum())} rows, the first {row.dialogue}/{row.utterance}"
                )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``[D]`` utterances of each dialogue."""
        return np.array([len(list(group)) for _, group in itertools.groupby(u.dialogue for u in self.utterances)])

    @property
    def dialogues(self) -> list[str]:
        """Names of the D dialogues."""
        return list(dict.fromkeys(u.dialogue for u in self.utterances))

    @property
    def labels(self) -> NDArray[np.int64]:
        """``[N]`` number of each utterance's emotion, -1 where it is unknown."""
        number = {name: index for index, name in enumerate(self.classes)} | {"": -1}
        return np.array([number[u.label] for u in self.utterances])

    @property
    def speakers(self) -> NDArray[np.int64]:
        """``[N]`` number of each utterance's speaker, from 0 in the order in which a dialogue's speakers come in."""
        numbers: dict[tuple[str, str], int] = {}
        known: dict[str, int] = {}
        for u in self.utterances:
            if (u.dialogue, u.speaker) not in numbers:
                known[u.dialogue] = known.get(u.dialogue, -1) + 1
                numbers[u.dialogue, u.speaker] = known[u.dialogue]
        return np.array([numbers[u.dialogue, u.speaker] for u in self.utterances])

    def split(self, name: str) -> NDArray[np.int64]:
        """Numbers of the dialogues of a split.

        Args:
            name: "train", "val", "test", or "" for those of none.

        Returns:
            The numbers, ascending.
        """
        of = {u.dialogue: u.split for u in self.utterances}
        return np.array([number for number, dialogue in enumerate(of) if of[dialogue] == name], dtype=np.int64)

    def only(self, split: str) -> Self:
        """Return the dialogues of one split.

        Args:
            split: "train", "val", "test", or "" for those of none.

        Raises:
            ValueError: If no dialogue is in the split.
        """
        rows = [number for number, u in enumerate(self.utterances) if u.split == split]
        if not rows:
            raise ValueError(f"split: expected dialogues in the split {split!r}, got none")
        features = {name: x[rows] for name, x in self.features.items()}
        return type(self)([self.utterances[row] for row in rows], self.classes, features)

    def with_features(self, features: Mapping[str, NDArray[np.float32]]) -> Self:
        """Return the conversations with other features.

        Args:
            features: For each modality ``[N, F]``.
        """
        return type(self)(self.utterances, self.classes, dict(features))

    def _check_rows(self) -> None:
        seen: set[str] = set()
        names: set[tuple[str, str]] = set()
        splits: dict[str, str] = {}
        before = None
        for u in self.utterances:
            where = f"{u.dialogue}/{u.utterance}"
            if u.dialogue != before and u.dialogue in seen:
                raise ValueError(
                    f"{where}: expected the utterances of a dialogue together, got {before!r} between them"
                )
            if (u.dialogue, u.utterance) in names:
                raise ValueError(f"{where}: expected each utterance once, got it twice")
            if u.label and u.label not in self.classes:
                raise ValueError(f"{where}: expected one of the emotions {', '.join(self.classes)}, got {u.label!r}")
            if u.split and u.split not in SPLITS:
                raise ValueError(f"{where}: expected a split train, val, test or none, got {u.split!r}")
            if splits.setdefault(u.dialogue, u.split) != u.split:
                raise ValueError(
                    f"{where}: expected one split for the dialogue, got {splits[u.dialogue]!r}, {u.split!r}"
                )
            seen.add(u.dialogue)
            names.add((u.dialogue, u.utterance))
            before = u.dialogue
