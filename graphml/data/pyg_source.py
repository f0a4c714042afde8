"""Datasets that PyG's own classes read, found in a folder that the user points to; nothing downloads unasked."""

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock


class DatasetMissingError(FileNotFoundError):
    """A dataset is not where it was looked for; the message says where that was and how to get it."""


@dataclass(frozen=True)
class PyGSource:
    """Where a dataset's raw files lie below its PyG root, and what reads them.

    Args:
        family: Name of the folder that is the PyG root, by custom that of the class.
        raw_files: Files below it without which PyG would start to download.
        read: Makes the dataset from the PyG root.
        downloads: Whether PyG can fetch the files.
    """

    family: str
    raw_files: tuple[str, ...]
    read: Callable[[str], Any]
    downloads: bool = True


def known_name(name: str, known: Iterable[str]) -> str:
    """Find a dataset's name as it is written here, whatever the case it is asked for in.

    Args:
        name: Name of a dataset, such as "cora".
        known: Names as they are written here.

    Returns:
        The name, such as "Cora".

    Raises:
        ValueError: If there is no such dataset, with the known ones and the closest match.
    """
    by_lower = {each.lower(): each for each in known}
    if name.lower() not in by_lower:
        close = difflib.get_close_matches(name.lower(), by_lower, n=1)
        hint = f"Did you mean {by_lower[close[0]]!r}? " if close else ""
        raise ValueError(f"unknown dataset name {name!r}. {hint}Known: {', '.join(by_lower.values())}")
    return by_lower[name.lower()]


def complete(source: PyGSource, folder: Path) -> bool:
    """Whether a PyG root holds all raw files of a dataset."""
    return all((folder / file).is_file() for file in source.raw_files)


def locate(name: str, source: PyGSource, root: str | None, download: bool) -> Path:
    """Find the PyG root that holds all raw files; PyG would start to download if one of them were missing.

    Args:
        name: Name of the dataset in the message.
        source: The dataset.
        root: The PyG root, or a folder that holds it under the source's name. None stands for `$GRAPHML_DATA/graphs`.
        download: Whether a root without the files will do, because PyG may fetch them.

    Returns:
        The PyG root.

    Raises:
        DatasetMissingError: If the files are not there and cannot be, or must not be, fetched.
    """
    base = root if root is not None else _environment_root()
    candidates = [] if base is None else [Path(base).expanduser(), Path(base).expanduser() / source.family]
    for folder in candidates:
        if complete(source, folder):
            return folder
    if download and source.downloads and candidates:
        return candidates[0] if candidates[0].name == source.family else candidates[1]
    if not candidates:
        where = "no root folder is given and GRAPHML_DATA is not set"
    elif not candidates[0].is_dir():
        where = f"there is no folder {candidates[0]}"
    else:
        where = "looked for " + " and ".join(str(folder / source.raw_files[0]) for folder in candidates)
    fetch = ", or set `root` to any folder and `download` to true to fetch them" if source.downloads else ""
    whose = "PyG's " if source.downloads else "the "
    raise DatasetMissingError(
        f"dataset {name} is missing: {where}. To get it, set the option `root` (--data.root) to the folder that holds "
        f"{whose}{source.family} files{fetch}"
    )


def _environment_root() -> str | None:
    data = os.environ.get("GRAPHML_DATA")
    return os.path.join(data, "graphs") if data else None


def read_dataset(source: PyGSource, folder: Path) -> Any:
    """Read with PyG, one process at a time: PyG writes its processed files in place.

    Args:
        source: The dataset.
        folder: Its PyG root, made if it is not there.

    Returns:
        What the source reads, PyG's dataset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return source.read(str(folder))
    with FileLock(folder / f".{source.raw_files[0].replace('/', '-')}.lock"):
        return source.read(str(folder))
