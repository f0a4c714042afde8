"""Figures: functions from plain tensors and arrays to matplotlib figures, one figure a file."""

from graphml.plots.audit_chart import audit_chart
from graphml.plots.confusion_matrix import confusion_matrix
from graphml.plots.embedding_projection import embedding_projection
from graphml.plots.federation_curves import federation_curves
from graphml.plots.filter_responses import filter_responses
from graphml.plots.partition_bars import partition_bars
from graphml.plots.per_class_bars import per_class_bars
from graphml.plots.ratio_chart import Ratio, ratio_chart
from graphml.plots.relation_weights import relation_weights
from graphml.plots.reliability_diagram import reliability_diagram
from graphml.plots.search_history import search_history
from graphml.plots.study_bars import study_bars
from graphml.plots.training_curve import training_curve

__all__ = [
    "Ratio",
    "audit_chart",
    "confusion_matrix",
    "embedding_projection",
    "federation_curves",
    "filter_responses",
    "partition_bars",
    "per_class_bars",
    "ratio_chart",
    "relation_weights",
    "reliability_diagram",
    "search_history",
    "study_bars",
    "training_curve",
]
