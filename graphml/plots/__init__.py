"""Figures: functions from plain tensors and arrays to matplotlib figures, one figure a file."""

from graphml.plots.embedding_projection import embedding_projection
from graphml.plots.filter_responses import filter_responses
from graphml.plots.study_bars import study_bars
from graphml.plots.training_curve import training_curve

__all__ = ["embedding_projection", "filter_responses", "study_bars", "training_curve"]
