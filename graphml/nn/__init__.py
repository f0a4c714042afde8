"""Layers and views, on torch and PyG alone: drop them into a model of your own."""

from graphml.nn.feature_linear import FeatureLinear, mask_columns
from graphml.nn.views import View, Views
from graphml.nn.wavelet_conv import WaveletConv
from graphml.nn.wavelet_filter import WaveletFilter

__all__ = ["FeatureLinear", "View", "Views", "WaveletConv", "WaveletFilter", "mask_columns"]
