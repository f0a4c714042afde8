"""From extractors to tables of features, one row an utterance; and extractors as files."""

import pickle
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from graphml.data.conversation import Conversations, Utterance
from graphml.data.features.audio import AudioFeatures
from graphml.data.features.recording import AudioError
from graphml.data.features.text import HuggingFaceEncoder, SentenceTransformerEncoder, TfidfSvd
from graphml.io import atomic_write

Extractor = AudioFeatures | TfidfSvd | SentenceTransformerEncoder | HuggingFaceEncoder
KINDS: dict[str, type[Extractor]] = {
    extractor.kind: extractor for extractor in (AudioFeatures, TfidfSvd, SentenceTransformerEncoder, HuggingFaceEncoder)
}

EXTRACTORS = "extractors.pt"
SAVE_EVERY = 30.0
"""Seconds of work that an interruption may cost."""

CHUNK = 256
"""Sentences between two looks at the clock."""


def load_extractor(state: Mapping[str, Any]) -> Extractor:
    """Rebuild an extractor.

    Args:
        state: What its ``state()`` returned: plain values and tensors.

    Raises:
        ValueError: If the state is of no known kind, or of audio features that this version does not make.
    """
    if state.get("kind") not in KINDS:
        raise ValueError(f"state: expected a kind of {', '.join(KINDS)}, got {state.get('kind')!r}")
    try:
        return KINDS[state["kind"]].from_state(state)
    except KeyError as error:
        raise ValueError(f"state: expected {error} of a {state['kind']} extractor, got {', '.join(state)}") from error


def save_extractors(folder: str | Path, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the states of extractors to ``extractors.pt``: a file of torch, as the SVD's directions are a tensor.

    Args:
        folder: Where to.
        states: The state of each modality's extractor.
    """
    with atomic_write(Path(folder) / EXTRACTORS) as temporary:
        torch.save({modality: dict(state) for modality, state in states.items()}, temporary)


def load_states(folder: str | Path) -> dict[str, dict[str, Any]]:
    """Read the states of the extractors that a folder of features was made with.

    Args:
        folder: The folder.

    Returns:
        The state of each modality's extractor; empty where the folder has no ``extractors.pt``.

    Raises:
        ValueError: If the file is anything but plain values and tensors; nothing in it is run.
    """
    file = Path(folder) / EXTRACTORS
    if not file.is_file():
        return {}
    try:
        return dict(torch.load(file, weights_only=True, map_location="cpu"))
    except (pickle.UnpicklingError, RuntimeError, EOFError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: expected extractors that graphml features wrote, got something else") from error


def extract_features(
    conversations: Conversations, extractors: Mapping[str, Extractor], processes: int = 1
) -> dict[str, NDArray[np.float32]]:
    """Compute the features of conversations from their recordings and sentences.

    Args:
        conversations: N utterances, with paths of recordings or sentences.
        extractors: For each modality what makes its features.
        processes: How many to read recordings with.

    Returns:
        For each modality float32 ``[N, F]``. A row of NaN says that the utterance has no recording (no sentence), or
        none that can be read, which a warning reports; a modality that all utterances lack has no entry.

    Raises:
        AudioError: If none of the recordings can be read.
    """
    features = {}
    for modality, extractor in extractors.items():
        if any(getattr(u, extractor.column) for u in conversations.utterances):
            features[modality], problems = fill_table(conversations.utterances, extractor, processes=processes)
            if problems:
                warnings.warn(f"{len(problems)} recordings left out: {'; '.join(problems)}", stacklevel=2)
    return features


def fill_table(
    utterances: Sequence[Utterance],
    extractor: Extractor,
    table: NDArray[np.float32] | None = None,
    processes: int = 1,
    save: Callable[[NDArray[np.float32]], None] | None = None,
) -> tuple[NDArray[np.float32], list[str]]:
    """Compute the rows of a modality's table that are not there yet.

    Args:
        utterances: N utterances, at least one with a recording (a sentence).
        extractor: What makes the features.
        table: ``[N, F]`` of an earlier run, NaN in the rows to compute; by default all of them.
        processes: How many to read recordings with.
        save: Called with the table every half minute, at the end, and when the work is interrupted.

    Returns:
        ``[N, F]``, and what was wrong with each recording that could not be read.

    Raises:
        AudioError: If none of the recordings can be read.
    """
    values = [getattr(u, extractor.column) for u in utterances]
    todo = np.ones(len(values), bool) if table is None else np.isnan(table[:, 0])
    rows = [row for row, value in enumerate(values) if value and todo[row]]
    problems: list[str] = []
    saved = time.monotonic()
    work = _extract([values[row] for row in rows], extractor, processes)
    try:
        progress = tqdm(zip(rows, work, strict=True), extractor.kind, len(rows), unit="utterance", file=sys.stderr)
        for row, result in progress:
            if isinstance(result, AudioError):
                problems.append(str(result))
                continue
            if table is None:
                table = np.full((len(values), len(result)), np.nan, np.float32)
            table[row] = result
            if save and time.monotonic() - saved > SAVE_EVERY:
                save(table)
                saved = time.monotonic()
    finally:
        work.close()
        if save and table is not None:
            save(table)
    if table is None:
        raise AudioError(f"none of the {len(rows)} recordings can be read; the first: {problems[0]}")
    return table, problems


def _extract(
    values: Sequence[str], extractor: Extractor, processes: int
) -> Generator[NDArray[np.float32] | AudioError]:
    """Yield the features of each value, in order; an error in place of those of a recording that cannot be read."""
    if not isinstance(extractor, AudioFeatures):
        for at in range(0, len(values), CHUNK):
            yield from extractor.extract(values[at : at + CHUNK])
    elif processes == 1:
        for path in values:
            yield _try(extractor, path)
    else:
        # Spawned, not forked: torch and numba have threads, and a fork of those can hang.
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (extractor.state(),))
        try:
            yield from pool.map(_work, values, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


def _try(extractor: AudioFeatures, path: str) -> NDArray[np.float32] | AudioError:
    try:
        return extractor.extract(path)
    except AudioError as error:
        return error


_worker: AudioFeatures


def _start_worker(state: dict[str, Any]) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers an interrupt
    _worker = AudioFeatures.from_state(state)


def _work(path: str) -> NDArray[np.float32] | AudioError:
    return _try(_worker, path)
