"""What turns embeddings or predictions into a table."""

from graphml.evaluation.emotion_report import EmotionReport, emotion_report
from graphml.evaluation.linear_probe import LinearProbe, ProbeResult
from graphml.evaluation.uncertainty import Uncertainty, decompose

__all__ = ["EmotionReport", "LinearProbe", "ProbeResult", "Uncertainty", "decompose", "emotion_report"]
