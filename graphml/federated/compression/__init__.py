"""Compression: stages after which clients send fewer bytes."""

from graphml.federated.compression.quantisation import (
    ClippedQuantisation,
    DeterministicQuantisation,
    StochasticQuantisation,
)
from graphml.federated.compression.top_k import TopK
from graphml.federated.compression.updates import Updates
from graphml.federated.compression.weighting import ByExamples, ByInverseError, Weighting

__all__ = [
    "ByExamples",
    "ByInverseError",
    "ClippedQuantisation",
    "DeterministicQuantisation",
    "StochasticQuantisation",
    "TopK",
    "Updates",
    "Weighting",
]
