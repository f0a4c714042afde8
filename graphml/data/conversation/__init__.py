"""Conversations: the table of utterances, readers of corpora, and the folder that people bring their own in."""

from graphml.data.conversation.clip_audio import ClipError, extract_audio
from graphml.data.conversation.datamodule import EmotionDataModule
from graphml.data.conversation.datamodules import ConversationDataModule, IEMOCAPDataModule, MELDDataModule
from graphml.data.conversation.event_linker import (
    EmbeddingLinker,
    EventLinker,
    GivenEventsLinker,
    Linker,
    SharedWordsLinker,
)
from graphml.data.conversation.feature_pickles import IEMOCAP_CLASSES, MELD_CLASSES, read_feature_pickle
from graphml.data.conversation.folder import FolderError, read_folder, write_features, write_folder
from graphml.data.conversation.iemocap_release import IEMOCAP_VALIDATION, read_iemocap_release
from graphml.data.conversation.linker_state import fit_linker, linker_state, load_linker
from graphml.data.conversation.meld_csv import EMORYNLP_CLASSES, read_emorynlp, read_meld
from graphml.data.conversation.pack import pack
from graphml.data.conversation.read import read_conversations
from graphml.data.conversation.reccon import read_reccon
from graphml.data.conversation.table import Conversations, Utterance
from graphml.data.conversation.unpickle import PickleFileError, load_pickle

__all__ = [
    "EMORYNLP_CLASSES",
    "IEMOCAP_CLASSES",
    "IEMOCAP_VALIDATION",
    "MELD_CLASSES",
    "ClipError",
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
    "PickleFileError",
    "SharedWordsLinker",
    "Utterance",
    "extract_audio",
    "fit_linker",
    "linker_state",
    "load_linker",
    "load_pickle",
    "pack",
    "read_conversations",
    "read_emorynlp",
    "read_feature_pickle",
    "read_folder",
    "read_iemocap_release",
    "read_meld",
    "read_reccon",
    "write_features",
    "write_folder",
]
