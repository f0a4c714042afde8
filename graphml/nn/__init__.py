"""Layers and views, on torch and PyG alone: drop them into a model of your own."""

from graphml.nn.dialogue_gru import DialogueGRU
from graphml.nn.feature_linear import FeatureLinear, mask_columns
from graphml.nn.modalities import concatenate_modalities, split_missing
from graphml.nn.speaker_embedding import SpeakerEmbedding
from graphml.nn.views import View, Views
from graphml.nn.wavelet_conv import WaveletConv
from graphml.nn.wavelet_filter import WaveletFilter

__all__ = [
    "DialogueGRU",
    "FeatureLinear",
    "SpeakerEmbedding",
    "View",
    "Views",
    "WaveletConv",
    "WaveletFilter",
    "concatenate_modalities",
    "mask_columns",
    "split_missing",
]
