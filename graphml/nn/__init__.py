"""Layers and views, on torch and PyG alone: drop them into a model of your own."""

from graphml.nn.feature_linear import FeatureLinear, mask_columns
from graphml.nn.views import View, Views
from graphml.nn.wavelet_conv import WaveletConv

__all__ = ["FeatureLinear", "View", "Views", "WaveletConv", "mask_columns"]
