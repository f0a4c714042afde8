"""Conversations: the table of utterances that every reader returns, and the folder that people bring their own in."""

from graphml.data.conversation.folder import FolderError, read_folder, write_features, write_folder
from graphml.data.conversation.table import Conversations, Utterance

__all__ = ["Conversations", "FolderError", "Utterance", "read_folder", "write_features", "write_folder"]
