"""Data of the data modules, to be dealt to the clients of a federation."""

from graphml.federated.sources.dialogues import DialogueSource
from graphml.federated.sources.nodes import NodeSource
from graphml.federated.sources.source import Source, source_of

__all__ = ["DialogueSource", "NodeSource", "Source", "source_of"]
