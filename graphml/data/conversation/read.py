"""One door to every corpus."""

from pathlib import Path

from graphml.data.conversation.feature_pickles import read_feature_pickle
from graphml.data.conversation.folder import read_folder
from graphml.data.conversation.table import Conversations


def read_conversations(path: str | Path) -> Conversations:
    """Read conversations, whatever they lie in."""
    return read_feature_pickle(path) if Path(path).suffix == ".pkl" else read_folder(path)
