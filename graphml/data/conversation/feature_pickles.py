"""Feature pickles: tuples of dictionaries from a dialogue to a list with one entry for each of its utterances.

The field passes features of IEMOCAP and MELD around in seven layouts, recognised by their length and by where the lists
of dialogues stand, which are no dicts:

1. ``IEMOCAP_features.pkl`` of bc-LSTM, DialogueRNN and MMGCN: ids, speakers, labels, text, audio, visual, sentences,
   train, test.
2. ``MELD_features_raw1.pkl`` of MMGCN and MM-DFN: the nine of 1, sentiments.
3. ``iemocap_features_roberta.pkl`` of COSMIC, and its files of other corpora: speakers, labels, text, text2, text3,
   text4, sentences, train, test, val.
4. ``meld_features_roberta.pkl`` of COSMIC: speakers, labels, sentiments, text, text2, text3, text4, sentences, train,
   test, val.
5. IEMOCAP of SDT and GraphSmile: ids, speakers, labels, text, text2, text3, text4, audio, visual, sentences, train,
   test.
6. MELD of SDT: the twelve of 5, and one that no code reads.
7. MELD of GraphSmile: ids, speakers, labels, sentiments, text, text2, text3, text4, audio, visual, sentences, train,
   test, and one that no code reads.

The elements:

- ids: names or numbers of the utterances, unique in their dialogue. COSMIC has none: they are numbered from 0.
- speakers: "M" or "F" in IEMOCAP, numbers as text in COSMIC's others; in MELD one-hot vectors of 9 numbers, whose place
  counts a dialogue's speakers in the order in which they come in (so "0" of two dialogues are two people).
- labels: numbers of emotions from 0, in the order of `IEMOCAP_CLASSES` or `MELD_CLASSES`. Sentiments are passed over.
- text, audio, visual: vectors, all of one length. Length 0 says that the utterance lacks the modality.
- text2, text3, text4: RoBERTa's hidden layers below the last, passed over as SDT and GraphSmile do by default.
- sentences: what is said.
- train, test, val: dialogues of the splits. Where MELD has no val, its train holds the dialogues of the dev split
  too, numbered 1039 to 1152.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphml.data.conversation.table import SPLITS, Conversations, Utterance
from graphml.data.conversation.unpickle import PickleFileError, load_pickle

IEMOCAP_CLASSES = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
MELD_CLASSES = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
MODALITIES = ("text", "audio", "visual")

_ROBERTA = ("text", "text2", "text3", "text4")
_IEMOCAP = ("ids", "speakers", "labels", "text", "audio", "visual", "sentences", "train", "test")
_SDT = ("ids", "speakers", "labels", *_ROBERTA, "audio", "visual", "sentences", "train", "test")
_LAYOUTS = (
    _IEMOCAP,
    (*_IEMOCAP, "sentiments"),
    ("speakers", "labels", *_ROBERTA, "sentences", "train", "test", "val"),
    ("speakers", "labels", "sentiments", *_ROBERTA, "sentences", "train", "test", "val"),
    _SDT,
    (*_SDT, "unread"),
    (*_SDT[:3], "sentiments", *_SDT[3:], "unread"),
)
_MELD_DEV = range(1039, 1153)
_IEMOCAP_NAME = re.compile(r"Ses0[1-5][FM]_")


def read_feature_pickle(path: str | Path, classes: Sequence[str] | None = None) -> Conversations:
    """Read a pickle of features in one of the field's layouts (see the module's documentation), running none of it.

    Args:
        path: The file.
        classes: Emotions in the order of their numbers; default IEMOCAP's where dialogues are named as IEMOCAP's are,
            MELD's where the layout has MELD's sentiments or unread element.

    Returns:
        The conversations: those of train in its order, then val, test, and any of no split. IEMOCAP's speakers are
        called "Ses01_F". Modalities that no utterance has are not among the features.

    Raises:
        FileNotFoundError: If there is no such file.
        PickleFileError: If the file is no harmless pickle, or not in one of the layouts, with what differs.
    """
    content = load_pickle(path)
    try:
        parts = _parts(content)
        splits = _splits(parts)
        if classes is None:
            classes = _classes(parts, splits)
        utterances = [u for key, split in splits.items() for u in _utterances(parts, key, split, classes)]
        vectors = {name: _vectors(parts, name, splits) for name in MODALITIES if name in parts}
        features = {name: _matrix(name, rows, utterances) for name, rows in vectors.items()}
        present = {name: x for name, x in features.items() if x.shape[1]}
        return Conversations(utterances, classes, present)
    except ValueError as error:
        raise PickleFileError(f"{path}: {error}") from error


def _parts(content: Any) -> dict[str, Any]:
    if not isinstance(content, tuple | list):
        raise PickleFileError(f"expected a tuple of dicts and lists of ids, got a {type(content).__name__}")
    for layout in _LAYOUTS:
        if len(layout) == len(content) and all(map(_fits, layout, content)):
            return dict(zip(layout, content, strict=True))
    got = ", ".join(type(element).__name__ for element in content[:20])
    known = "; ".join(", ".join(layout) for layout in _LAYOUTS)
    raise PickleFileError(f"expected one of the layouts ({known}), got {len(content)} elements: {got}")


def _fits(name: str, element: Any) -> bool:
    if name in SPLITS:
        return isinstance(element, list | tuple | set | frozenset | np.ndarray)
    return name == "unread" or isinstance(element, dict)


def _splits(parts: Mapping[str, Any]) -> dict[str | int, str]:
    """Split of each dialogue, in the order in which the dialogues are returned."""
    splits: dict[str | int, str] = {}
    meld = {"sentiments", "unread"} & parts.keys() and "val" not in parts
    for split in SPLITS:
        keys = parts.get(split, ())
        for key in sorted(keys, key=str) if isinstance(keys, set | frozenset) else list(keys):
            if not isinstance(key, str | int | np.integer) or key not in parts["labels"]:
                raise PickleFileError(f"{split}: expected dialogues that have labels, got {_shown(key)}")
            if key in splits:
                raise PickleFileError(f"{split}: expected each dialogue once, got {key!r} twice")
            dev = meld and split == "train" and key in _MELD_DEV
            splits[key if isinstance(key, str) else int(key)] = "val" if dev else split
    return splits | dict.fromkeys((key for key in parts["labels"] if key not in splits), "")


def _classes(parts: Mapping[str, Any], dialogues: Mapping[str | int, str]) -> Sequence[str]:
    if all(_IEMOCAP_NAME.match(str(key)) for key in dialogues):
        return IEMOCAP_CLASSES
    if {"sentiments", "unread"} & parts.keys():
        return MELD_CLASSES
    raise PickleFileError(
        "expected IEMOCAP's dialogues or one of MELD's layouts, got dialogues such as "
        f"{next(iter(dialogues), None)!r}; name the emotions in the order of their numbers (classes)"
    )


def _entries(parts: Mapping[str, Any], name: str, key: str | int) -> list[Any]:
    """What an element has for a dialogue: one entry for each utterance."""
    entries = parts[name].get(key)
    if not isinstance(entries, list | tuple | np.ndarray) or (isinstance(entries, np.ndarray) and not entries.ndim):
        raise PickleFileError(f"{name}[{key!r}]: expected a list, got {type(entries).__name__}")
    if len(entries) != len(parts["labels"][key]):
        expected = f"as many entries as the dialogue has labels, {len(parts['labels'][key])}"
        raise PickleFileError(f"{name}[{key!r}]: expected {expected}, got {len(entries)}")
    return list(entries)


def _utterances(parts: Mapping[str, Any], key: str | int, split: str, classes: Sequence[str]) -> list[Utterance]:
    labels = _entries(parts, "labels", key)
    names = _entries(parts, "ids", key) if "ids" in parts else range(len(labels))
    rows = zip(names, _entries(parts, "speakers", key), _entries(parts, "sentences", key), labels, strict=True)
    utterances = []
    for name, speaker, text, label in rows:
        if not isinstance(name, str | int | np.integer) or not isinstance(text, str):
            raise PickleFileError(f"{key}: expected names and sentences, got {_shown(name)} and {_shown(text)}")
        if not isinstance(label, int | np.integer) or not 0 <= label < len(classes):
            expected = f"a number from 0 to {len(classes) - 1}"
            raise PickleFileError(f"labels, {key}/{name}: expected {expected}, got {_shown(label)}")
        who, emotion = _speaker(speaker, str(key)), classes[int(label)]
        utterances.append(Utterance(str(key), str(name), who, text=text, label=emotion, split=split))
    return utterances


def _speaker(speaker: Any, dialogue: str) -> str:
    if isinstance(speaker, str | int | np.integer):
        return f"{dialogue[:5]}_{speaker}" if _IEMOCAP_NAME.match(dialogue) else str(speaker)
    one_hot = np.asarray(speaker)
    if one_hot.ndim != 1 or one_hot.dtype.kind not in "biuf" or sorted(one_hot) != [0] * (one_hot.size - 1) + [1]:
        raise PickleFileError(f"speakers, {dialogue}: expected a name or a one-hot vector, got {_shown(speaker)}")
    return str(int(one_hot.argmax()))


def _shown(value: Any) -> str:
    """What an error prints of a value that may be anything, however long or deep."""
    return repr(value)[:80] if isinstance(value, str | float | int | np.generic) else f"a {type(value).__name__}"


def _vectors(parts: Mapping[str, Any], name: str, dialogues: Mapping[str | int, str]) -> list[NDArray[Any]]:
    rows = itertools.chain.from_iterable(_entries(parts, name, key) for key in dialogues)
    return [np.asarray(vector) for vector in rows]


def _matrix(name: str, vectors: Sequence[NDArray[Any]], utterances: Sequence[Utterance]) -> NDArray[np.float32]:
    size = max((vector.size for vector in vectors), default=0)
    out = np.full((len(vectors), size), np.nan, dtype=np.float32)
    for number, vector in enumerate(vectors):
        if vector.ndim != 1 or vector.dtype.kind not in "biuf" or vector.size not in (0, size):
            where = f"{utterances[number].dialogue}/{utterances[number].utterance}"
            expected = f"a vector of {size} numbers, or of none where the modality is missing"
            got = f"{vector.dtype} of shape {list(vector.shape)}"
            raise PickleFileError(f"{name}, {where}: expected {expected}, got {got}")
        if vector.size:
            out[number] = vector
    return out
