"""What turns embeddings or predictions into a table."""

from graphml.evaluation.emotion_report import EmotionReport, emotion_report
from graphml.evaluation.linear_probe import LinearProbe, ProbeResult
from graphml.evaluation.link_ranking import KnownAnswers, filtered_ranks
from graphml.evaluation.uncertainty import Uncertainty, decompose

__all__ = [
    "EmotionReport",
    "KnownAnswers",
    "LinearProbe",
    "ProbeResult",
    "Uncertainty",
    "decompose",
    "emotion_report",
    "filtered_ranks",
]
