"""Layers and views, on torch and PyG alone: drop them into a model of your own."""

from graphml.nn.bias import Bias
from graphml.nn.bottleneck_conv import BottleneckConv
from graphml.nn.byte_dropout import ByteDropout
from graphml.nn.dialogue_gru import DialogueGRU
from graphml.nn.edge_weights import AngularWeight, AttentionWeight
from graphml.nn.feature_linear import FeatureLinear, drop_features, mask_columns
from graphml.nn.gated_fusion import GatedFusion
from graphml.nn.masked_autoencoder import MaskedGraphAutoencoder
from graphml.nn.modalities import concatenate_modalities, split_missing
from graphml.nn.relation_conv import RelationConv
from graphml.nn.relation_norm import RelationNorm
from graphml.nn.relation_transformer import RelationTransformer
from graphml.nn.speaker_embedding import SpeakerEmbedding
from graphml.nn.utterance_features import UtteranceFeatures
from graphml.nn.views import View, Views
from graphml.nn.wavelet_conv import WaveletConv
from graphml.nn.wavelet_filter import WaveletFilter

__all__ = [
    "AngularWeight",
    "AttentionWeight",
    "Bias",
    "BottleneckConv",
    "ByteDropout",
    "DialogueGRU",
    "FeatureLinear",
    "GatedFusion",
    "MaskedGraphAutoencoder",
    "RelationConv",
    "RelationNorm",
    "RelationTransformer",
    "SpeakerEmbedding",
    "UtteranceFeatures",
    "View",
    "Views",
    "WaveletConv",
    "WaveletFilter",
    "concatenate_modalities",
    "drop_features",
    "mask_columns",
    "split_missing",
]
