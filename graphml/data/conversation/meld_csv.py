"""Annotation files of MELD (Poria et al., ACL 2019) and EmoryNLP (Zahiri & Choi, 2018): CSVs of scenes from Friends.

MELD: ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` with the columns Utterance, Speaker,
Emotion, Dialogue_ID, Utterance_ID, StartTime and EndTime (HH:MM:SS,mmm of the episode), and clips named
dia{D}_utt{U}.mp4 in one folder a split. EmoryNLP: ``emorynlp_{train,dev,test}_final.csv`` with Scene_ID, counted in
each episode, and lists of speakers. Some copies carry cp1252 bytes. Dialogues are numbered from 0 in each split, hence
named "train_dia0".
"""

import ast
import csv
import io
import itertools
import math
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from graphml.data.conversation.feature_pickles import MELD_CLASSES
from graphml.data.conversation.folder import FolderError
from graphml.data.conversation.table import Conversations, Utterance
from graphml.data.conversation.text_file import read_text

EMORYNLP_CLASSES = ("joyful", "mad", "peaceful", "neutral", "sad", "powerful", "scared")  # COSMIC's numbers
MELD_CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
SPLIT_OF = {"train": "train", "dev": "val", "test": "test"}

_Row = Mapping[str, str]
_TIME = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})")


class _Corpus(NamedTuple):
    file: str
    classes: tuple[str, ...]
    dialogue: Callable[[_Row], str]
    dialogue_columns: tuple[str, ...]
    times: tuple[str, str]


_MELD = _Corpus(
    "{}_sent_emo.csv", MELD_CLASSES, lambda row: f"dia{row['Dialogue_ID']}", ("Dialogue_ID",), ("StartTime", "EndTime")
)
_EMORYNLP = _Corpus(
    "emorynlp_{}_final.csv",
    EMORYNLP_CLASSES,
    lambda row: f"s{row['Season']}e{row['Episode']}_scene{row['Scene_ID']}",
    ("Season", "Episode", "Scene_ID"),
    ("Start_Time", "End_Time"),
)
MELD_FILES, EMORYNLP_FILES = ([corpus.file.format(split) for split in SPLIT_OF] for corpus in (_MELD, _EMORYNLP))


def read_meld(folder: str | Path, clips: str | Path | None = None) -> Conversations:
    """Read MELD's annotation files.

    Start and end count from the dialogue's first utterance; they are NaN in the 31 dialogues of MELD whose times, which
    were found by an aligner, run backwards.

    Args:
        folder: The folder that holds the three CSV files, or folders of them such as ``train/train_sent_emo.csv``.
        clips: The folder that holds ``train_splits``, ``dev_splits_complete`` and ``output_repeated_splits_test``; a
            warning counts the clips that are missing there. Default: no audio.

    Returns:
        The conversations of train, val (MELD's dev) and test. ``audio`` names the clip (see `extract_audio`).

    Raises:
        FileNotFoundError: If one of the files or folders is missing.
        FolderError: If a file is not what the module's documentation says.
    """
    utterances = _read(Path(folder), _MELD)
    if clips is not None:
        utterances = _with_clips(utterances, Path(clips))
    return Conversations(utterances, MELD_CLASSES)


def read_emorynlp(folder: str | Path) -> Conversations:
    """Read EmoryNLP's annotation files.

    Args:
        folder: The folder that holds the three CSV files.

    Returns:
        The conversations of train, val (the dev file) and test; several people who speak at once are one speaker.

    Raises:
        FileNotFoundError: If one of the files is missing.
        FolderError: If a file is not what the module's documentation says.
    """
    return Conversations(_read(Path(folder), _EMORYNLP), EMORYNLP_CLASSES)


def _read(folder: Path, corpus: _Corpus) -> list[Utterance]:
    files = {}
    for split in SPLIT_OF:
        name = corpus.file.format(split)
        found = [file for file in (folder / name, folder / split / name) if file.is_file()]
        if not found:
            raise FileNotFoundError(f"no {name} in {folder}: expected the files of train, dev and test there")
        files[split] = found[0]
    return [u for split, file in files.items() for u in _read_split(file, split, corpus)]


def _read_split(file: Path, split: str, corpus: _Corpus) -> list[Utterance]:
    try:
        reader = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
        wanted = ("Utterance", "Speaker", "Emotion", *corpus.dialogue_columns, "Utterance_ID", *corpus.times)
        missing = [name for name in wanted if name not in (reader.fieldnames or [])]
        if missing:
            raise FolderError(f"expected the columns {', '.join(wanted)}, missing {', '.join(missing)}")
        dialogues: dict[str, dict[int, Utterance]] = {}
        for row in reader:
            try:
                number, u = _utterance(row, split, corpus)
                if number in dialogues.setdefault(u.dialogue, {}):
                    raise ValueError(f"expected each utterance once, got {u.dialogue}/{u.utterance} twice")
            except ValueError as error:
                raise FolderError(f"line {reader.line_num}: {error}") from error
            dialogues[u.dialogue][number] = u
        if not dialogues:
            raise FolderError("expected at least one utterance, got none")
    except (csv.Error, ValueError) as error:
        raise FolderError(f"{file}: {error}") from error
    ordered = ([dialogue[number] for number in sorted(dialogue)] for dialogue in dialogues.values())
    return [u for dialogue in ordered for u in _from_first(dialogue)]


def _utterance(row: dict[str, str], split: str, corpus: _Corpus) -> tuple[int, Utterance]:
    if None in row or None in row.values():
        raise ValueError("expected as many fields as the header has columns, got more or fewer")
    row = {name: value.strip() for name, value in row.items()}
    if not row["Utterance_ID"].isdecimal():
        raise ValueError(f"expected a whole number as Utterance_ID, got {row['Utterance_ID']!r}")
    number = int(row["Utterance_ID"])
    label = row["Emotion"].lower()
    if label not in corpus.classes:
        raise ValueError(f"expected one of the emotions {', '.join(corpus.classes)}, got {row['Emotion']!r}")
    start, end = (_seconds(row[name]) for name in corpus.times)
    utterance = Utterance(
        f"{split}_{corpus.dialogue(row)}", f"utt{number}", _speaker(row["Speaker"]), start, end, row["Utterance"]
    )
    return number, utterance._replace(label=label, split=SPLIT_OF[split])


def _speaker(name: str) -> str:
    """Name of who speaks; EmoryNLP writes ``['Ross Geller', 'Joey Tribbiani']``."""
    if name.startswith("["):
        try:
            names = ast.literal_eval(name)
        except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"expected a list of speakers, got {name!r}") from error
        name = ", ".join(map(str, names))
    if not name:
        raise ValueError("expected a speaker, got nothing")
    return name


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"expected a time as HH:MM:SS,mmm, got {text!r}")
    hours, minutes, seconds, fraction = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _from_first(dialogue: list[Utterance]) -> list[Utterance]:
    backwards = any(after.start < before.start for before, after in itertools.pairwise(dialogue))
    if backwards or any(u.end < u.start for u in dialogue):
        return [u._replace(start=math.nan, end=math.nan) for u in dialogue]
    first = dialogue[0].start
    return [u._replace(start=round(u.start - first, 3), end=round(u.end - first, 3)) for u in dialogue]


def _with_clips(utterances: list[Utterance], clips: Path) -> list[Utterance]:
    out, missing = [], []
    for u in utterances:
        split, _, dialogue = u.dialogue.partition("_")
        folder = next(
            (path for path in (clips / MELD_CLIPS[split], clips / split / MELD_CLIPS[split]) if path.is_dir()), None
        )
        if folder is None:
            raise FileNotFoundError(f"no folder {MELD_CLIPS[split]} in {clips}: expected MELD's clips of {split} there")
        clip = folder / f"{dialogue}_{u.utterance}.mp4"
        if not clip.is_file():
            missing.append(clip)
        out.append(u._replace(audio=str(clip.resolve()) if clip.is_file() else ""))
    if missing:
        warnings.warn(f"{len(missing)} clips of {len(utterances)} are missing, the first {missing[0]}", stacklevel=3)
    return out
