"""Conversations: the table of utterances that every reader returns, and the folder that people bring their own in."""

from graphml.data.conversation.event_linker import (
    EmbeddingLinker,
    EventLinker,
    GivenEventsLinker,
    Linker,
    SharedWordsLinker,
)
from graphml.data.conversation.folder import FolderError, read_folder, write_features, write_folder
from graphml.data.conversation.reccon import read_reccon
from graphml.data.conversation.table import Conversations, Utterance

__all__ = [
    "Conversations",
    "EmbeddingLinker",
    "EventLinker",
    "FolderError",
    "GivenEventsLinker",
    "Linker",
    "SharedWordsLinker",
    "Utterance",
    "read_folder",
    "read_reccon",
    "write_features",
    "write_folder",
]
