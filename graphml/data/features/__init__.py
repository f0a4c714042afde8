"""Features of conversations from their recordings and sentences; features of video are brought as ``visual.npz``."""

from graphml.data.features.audio import AudioFeatures
from graphml.data.features.extract import Extractor, extract_features, load_extractor, load_states, save_extractors
from graphml.data.features.recording import AudioError
from graphml.data.features.text import HuggingFaceEncoder, SentenceTransformerEncoder, TfidfSvd

__all__ = [
    "AudioError",
    "AudioFeatures",
    "Extractor",
    "HuggingFaceEncoder",
    "SentenceTransformerEncoder",
    "TfidfSvd",
    "extract_features",
    "load_extractor",
    "load_states",
    "save_extractors",
]
