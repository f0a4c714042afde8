"""Data of the data modules, to be dealt to the clients of a federation."""

from graphml.federated.sources.dialogues import DialogueSource
from graphml.federated.sources.graphs import GraphSource
from graphml.federated.sources.links import LinkSource
from graphml.federated.sources.nodes import NodeSource
from graphml.federated.sources.source import Source, source_of

__all__ = ["DialogueSource", "GraphSource", "LinkSource", "NodeSource", "Source", "source_of"]
