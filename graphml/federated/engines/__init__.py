"""Engines: what carries messages between a strategy and its clients."""

from graphml.federated.engines.engine import Engine
from graphml.federated.engines.in_process import SequentialEngine
from graphml.federated.engines.vectorised import VectorisedEngine

__all__ = ["Engine", "SequentialEngine", "VectorisedEngine"]
