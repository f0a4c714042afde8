"""Attacks on a federation under each of several defences: what a user pays, and what leaks all the same."""

from graphml.audit.attack import Attack
from graphml.audit.exposure import Exposure
from graphml.audit.inversion import DeepLeakage, InvertingGradients
from graphml.audit.queries import LinkStealing, LossMembership, ShadowModels
from graphml.audit.updates import PropertyInference

__all__ = [
    "Attack",
    "DeepLeakage",
    "Exposure",
    "InvertingGradients",
    "LinkStealing",
    "LossMembership",
    "PropertyInference",
    "ShadowModels",
]
