"""One door to conversations of any kind."""

from pathlib import Path

from graphml.data.conversation.feature_pickles import read_feature_pickle
from graphml.data.conversation.folder import TABLE, FolderError, read_folder
from graphml.data.conversation.iemocap_release import SESSIONS, read_iemocap_release
from graphml.data.conversation.meld_csv import EMORYNLP_FILES, MELD_FILES, read_emorynlp, read_meld
from graphml.data.conversation.table import Conversations


def read_conversations(path: str | Path) -> Conversations:
    """Read conversations, recognising what lies there.

    Args:
        path: An interchange folder or its CSV file (`read_folder`), a feature pickle ``.pkl`` (`read_feature_pickle`),
            or a folder of MELD's or EmoryNLP's CSV files (`read_meld` first, `read_emorynlp`) or of IEMOCAP's sessions
            (`read_iemocap_release`).

    Returns:
        The conversations.

    Raises:
        FileNotFoundError: If nothing lies there.
        FolderError: If it is of no known kind, or not as its kind should be.
        PickleFileError: If a pickle is harmful, or not in a known layout.
    """
    place = Path(path)
    if place.is_file():
        return _read_file(place)
    if not place.is_dir():
        raise FileNotFoundError(f"no conversations at {path}: there is no such file or folder")
    if (place / TABLE).is_file():
        return read_folder(place)
    if _holds(place, MELD_FILES):
        return read_meld(place)
    if _holds(place, EMORYNLP_FILES):
        return read_emorynlp(place)
    if _holds(place, SESSIONS):
        return read_iemocap_release(place)
    raise FolderError(
        f"{path}: expected {TABLE}, MELD's {MELD_FILES[0]}, {EMORYNLP_FILES[0]} or IEMOCAP's Session1, got none of "
        f"them among {', '.join(sorted(file.name for file in place.iterdir())[:10]) or 'no files'}"
    )


def _read_file(file: Path) -> Conversations:
    if file.name in (*MELD_FILES, *EMORYNLP_FILES):
        raise FolderError(f"{file}: expected the folder that holds this file and those of the other splits")
    if file.suffix.lower() in (".pkl", ".pickle"):
        return read_feature_pickle(file)
    if file.suffix.lower() == ".csv":
        return read_folder(file)
    raise FolderError(f"{file}: expected a .csv file or a feature pickle (.pkl), got a file of another name")


def _holds(folder: Path, names: list[str]) -> bool:
    return any((folder / name).exists() for name in names)
