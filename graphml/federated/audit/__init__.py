"""Attacks on a federation under each of several defences: what a user pays, and what leaks all the same."""

from graphml.federated.audit.attack import Attack
from graphml.federated.audit.exposure import Exposure
from graphml.federated.audit.inversion import DeepLeakage, InvertingGradients
from graphml.federated.audit.queries import LinkStealing, LossMembership, ShadowModels
from graphml.federated.audit.updates import PropertyInference

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
