"""The interchange folder: ``conversations.csv``, ``classes.txt`` and one ``<modality>.npz`` of features each.

``conversations.csv`` (UTF-8, with or without a byte order mark) has the columns ``dialogue``, ``utterance`` and
``speaker``, and may have ``start`` and ``end`` (seconds), ``text``, ``audio`` (a path, relative to the folder),
``label``, ``event`` (names separated by spaces) and ``split`` (train, val, test). The rows of a dialogue stand together
and in the order in which they were spoken. ``classes.txt`` names one emotion a line, in the order of their numbers;
without it the labels are sorted. ``<modality>.npz`` holds ``dialogue`` [M], ``utterance`` [M] and ``features`` [M, F]:
rows are found by name, and an utterance without one lacks the modality.
"""

import csv
import io
import itertools
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphml.data.conversation.table import Conversations, Utterance
from graphml.data.conversation.text_file import read_text
from graphml.io import atomic_write

TABLE, CLASSES = "conversations.csv", "classes.txt"
REQUIRED = ("dialogue", "utterance", "speaker")


class FolderError(ValueError):
    """A folder of conversations that cannot be read; the message names the file, the line and what was expected."""


def read_folder(path: str | Path, classes: Sequence[str] | None = None) -> Conversations:
    """Read conversations from a folder, or from a CSV file alone.

    Args:
        path: The folder, or its CSV file; audio paths are relative to the folder.
        classes: Emotions in the order of their numbers; default ``classes.txt``, else the labels, sorted.

    Returns:
        The conversations, audio paths made absolute.

    Raises:
        FileNotFoundError: If there is no such folder or table.
        FolderError: If a file is not what the module's documentation says.
    """
    table = Path(path) / TABLE if Path(path).is_dir() else Path(path)
    if not table.is_file():
        raise FileNotFoundError(f"no conversations in {path}: expected a CSV file, or a folder that holds {TABLE}")
    utterances = _read_table(table)
    if classes is None:
        listed = table.parent / CLASSES
        classes = _text(listed).split("\n") if listed.is_file() else sorted({u.label for u in utterances})
        classes = [name.strip() for name in classes if name.strip()]
    # not the hidden files, which a writer that was killed may have left
    features = {file.stem: _read_features(file, utterances) for file in sorted(table.parent.glob("[!.]*.npz"))}
    try:
        return Conversations(utterances, classes, features)
    except ValueError as error:
        raise FolderError(f"{table}: {error}") from error


def write_folder(path: str | Path, conversations: Conversations) -> None:
    """Write conversations to a folder; its other files stay.

    Args:
        path: The folder, made if it is missing. Audio files within it are named relative to it, others absolutely.
        conversations: What to write.
    """
    folder = Path(path).resolve()
    with atomic_write(folder / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Utterance._fields)
        for u in conversations.utterances:
            audio = Path(u.audio).resolve() if u.audio else None
            inside = audio is not None and audio.is_relative_to(folder)
            name = audio.relative_to(folder).as_posix() if audio and inside else str(audio or "")
            times = [str(time) if math.isfinite(time) else "" for time in (u.start, u.end)]
            writer.writerow(u._replace(audio=name, start=times[0], end=times[1]))  # type: ignore[arg-type]
    with atomic_write(folder / CLASSES) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in conversations.classes), "utf-8")
    for modality, x in conversations.features.items():
        write_features(folder / f"{modality}.npz", conversations.utterances, x)


def write_features(path: str | Path, utterances: Sequence[Utterance], features: NDArray[np.float32]) -> None:
    """Write the features of one modality.

    Args:
        path: The file, ``<modality>.npz``.
        utterances: The M utterances.
        features: ``[M, F]``; rows of NaN (missing) are left out.
    """
    there = np.flatnonzero(~np.isnan(features).any(axis=1))
    dialogue, utterance = (np.array([u[column] for u in utterances], dtype=np.str_)[there] for column in (0, 1))
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, dialogue=dialogue, utterance=utterance, features=features[there])


def _text(file: Path) -> str:
    try:
        return read_text(file, ["utf-8-sig"])  # no guess: in another alphabet it would be wrong without a sign
    except ValueError as error:
        raise FolderError(str(error)) from error


def _read_table(table: Path) -> list[Utterance]:
    try:
        reader = csv.DictReader(io.StringIO(_text(table), newline=""), strict=True)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or [])]
        if missing:
            raise FolderError(f"{table}: expected the columns {', '.join(REQUIRED)}, missing {', '.join(missing)}")
        rows = [_utterance(row, table, reader.line_num) for row in reader]
    except csv.Error as error:
        raise FolderError(f"{table}: {error}") from error
    if not rows:
        raise FolderError(f"{table}: expected at least one utterance, got none")
    for before, row in itertools.pairwise(rows):
        if before.dialogue == row.dialogue and row.start < before.start:
            raise FolderError(
                f"{table}: expected the utterances of a dialogue in the order spoken; {row.dialogue}/{row.utterance} "
                f"starts at {row.start:g} s, before {before.utterance} at {before.start:g} s. Sort the rows by start"
            )
    return rows


def _utterance(row: Mapping[str, str], table: Path, line: int) -> Utterance:
    if None in row or None in row.values():  # DictReader's sign of too many or too few
        expected = "as many fields as the header has columns (quote a text that holds commas)"
        raise FolderError(f"{table}, line {line}: expected {expected}, got more or fewer")
    values = {name: row.get(name, "").strip() for name in Utterance._fields}
    for name in REQUIRED:
        if not values[name]:
            raise FolderError(f"{table}, line {line}: expected a {name}, got nothing")
    start, end = (_seconds(values.pop(name), table, line, name) for name in ("start", "end"))
    if end < start:
        raise FolderError(f"{table}, line {line}: expected end >= start, got {start:g} to {end:g}")
    if values["audio"]:
        values["audio"] = str(table.parent.resolve() / values["audio"])
    return Utterance(start=start, end=end, **values)


def _seconds(text: str, table: Path, line: int, column: str) -> float:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.inf
    if value < 0 or math.isinf(value):
        raise FolderError(f"{table}, line {line}: expected {column} in seconds, got {text!r}")
    return value


def _read_features(file: Path, utterances: Sequence[Utterance]) -> NDArray[np.float32]:
    try:
        # ZipFile first, as np.load takes a .npy of this name too and gives an array
        with zipfile.ZipFile(file), np.load(file, allow_pickle=False) as arrays:
            dialogue, utterance, features = (arrays[name] for name in ("dialogue", "utterance", "features"))
    except (KeyError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise FolderError(f"{file}: expected the arrays dialogue, utterance and features: {error}") from error
    if features.ndim != 2 or dialogue.shape != utterance.shape or dialogue.shape != features.shape[:1]:
        shapes = [list(array.shape) for array in (dialogue, utterance, features)]
        raise FolderError(f"{file}: expected dialogue [M], utterance [M] and features [M, F], got {shapes}")
    if features.dtype.kind not in "biuf":
        raise FolderError(f"{file}: expected features that are real numbers, got {features.dtype}")
    names = zip(dialogue.astype(np.str_).tolist(), utterance.astype(np.str_).tolist(), strict=True)
    row = {(d.strip(), u.strip()): number for number, (d, u) in enumerate(names)}
    if len(row) != len(features):
        raise FolderError(f"{file}: expected each utterance once, got {len(features) - len(row)} rows more")
    out = np.full((len(utterances), features.shape[1]), np.nan, dtype=np.float32)
    found = [number for number, u in enumerate(utterances) if (u.dialogue, u.utterance) in row]
    if row and not found:
        raise FolderError(
            f"{file}: expected dialogues and utterances named as in the table, such as {utterances[0][:2]}, got none "
            f"of them, but {next(iter(row))}"
        )
    out[found] = features[[row[utterances[number][:2]] for number in found]]
    return out
