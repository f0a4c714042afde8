"""Figures: functions from plain tensors and arrays to matplotlib figures, one figure a file."""

from graphml.plots.embedding_projection import embedding_projection
from graphml.plots.filter_responses import filter_responses
from graphml.plots.ratio_chart import Ratio, ratio_chart
from graphml.plots.study_bars import study_bars
from graphml.plots.training_curve import training_curve

__all__ = ["Ratio", "embedding_projection", "filter_responses", "ratio_chart", "study_bars", "training_curve"]
