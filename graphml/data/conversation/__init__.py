"""Conversations: the table of utterances that every reader returns, and the folder that people bring their own in."""

from graphml.data.conversation.datamodule import EmotionDataModule
from graphml.data.conversation.datamodules import ConversationDataModule, IEMOCAPDataModule, MELDDataModule
from graphml.data.conversation.event_linker import (
    EmbeddingLinker,
    EventLinker,
    GivenEventsLinker,
    Linker,
    SharedWordsLinker,
)
from graphml.data.conversation.folder import FolderError, read_folder, write_features, write_folder
from graphml.data.conversation.pack import pack
from graphml.data.conversation.read import read_conversations
from graphml.data.conversation.reccon import read_reccon
from graphml.data.conversation.table import Conversations, Utterance

__all__ = [
    "ConversationDataModule",
    "Conversations",
    "EmbeddingLinker",
    "EmotionDataModule",
    "EventLinker",
    "FolderError",
    "GivenEventsLinker",
    "IEMOCAPDataModule",
    "Linker",
    "MELDDataModule",
    "SharedWordsLinker",
    "Utterance",
    "pack",
    "read_conversations",
    "read_folder",
    "read_reccon",
    "write_features",
    "write_folder",
]
