"""Datasets, splits, transforms and data modules: of nodes, graphs, knowledge graphs and dialogues."""

from graphml.data.cluster_sampler import cluster_loader, stream_partition
from graphml.data.conversation import (
    ConversationDataModule,
    Conversations,
    EmbeddingLinker,
    EventLinker,
    FolderError,
    GivenEventsLinker,
    IEMOCAPDataModule,
    MELDDataModule,
    SharedWordsLinker,
    Utterance,
    read_conversations,
    read_folder,
    write_features,
    write_folder,
)
from graphml.data.graph_datamodule import GraphDataModule
from graphml.data.graph_datasets import load_graph_dataset
from graphml.data.graph_set_datamodule import GraphSplit
from graphml.data.link_datamodule import LinkDataModule, with_seeds
from graphml.data.link_datasets import load_link_dataset
from graphml.data.multi_graph_datamodule import MultiGraphDataModule
from graphml.data.neighbor_sampler import InducedNeighborSampler, neighbor_loader
from graphml.data.node_datamodule import NodeDataModule
from graphml.data.node_datasets import load_node_dataset
from graphml.data.packed import AddDialogueEdges, PackedDialogues
from graphml.data.packed_loader import LengthBucketSampler, PackedLoader
from graphml.data.pyg_source import DatasetMissingError
from graphml.data.splits import NodeSplit, geom_gcn_split, public_split, random_split
from graphml.data.transforms import AddSpectralDensity, SymmetricNormalization, ToSortedEdgeIndex, ToSparseFeatures
from graphml.data.validation import validate_graph
from graphml.ops import DialogueBatch

__all__ = [
    "AddDialogueEdges",
    "AddSpectralDensity",
    "ConversationDataModule",
    "Conversations",
    "DatasetMissingError",
    "DialogueBatch",
    "EmbeddingLinker",
    "EventLinker",
    "FolderError",
    "GivenEventsLinker",
    "GraphDataModule",
    "GraphSplit",
    "IEMOCAPDataModule",
    "InducedNeighborSampler",
    "LengthBucketSampler",
    "LinkDataModule",
    "MELDDataModule",
    "MultiGraphDataModule",
    "NodeDataModule",
    "NodeSplit",
    "PackedDialogues",
    "PackedLoader",
    "SharedWordsLinker",
    "SymmetricNormalization",
    "ToSortedEdgeIndex",
    "ToSparseFeatures",
    "Utterance",
    "cluster_loader",
    "geom_gcn_split",
    "load_graph_dataset",
    "load_link_dataset",
    "load_node_dataset",
    "neighbor_loader",
    "public_split",
    "random_split",
    "read_conversations",
    "read_folder",
    "stream_partition",
    "validate_graph",
    "with_seeds",
    "write_features",
    "write_folder",
]
