"""Partitions: which client of a federation holds which nodes, graphs, links or dialogues."""

from graphml.federated.partition.balanced_dirichlet import BalancedDirichletPartitioner
from graphml.federated.partition.dirichlet import DirichletPartitioner
from graphml.federated.partition.group import GroupPartitioner
from graphml.federated.partition.items import Items
from graphml.federated.partition.louvain import LouvainPartitioner
from graphml.federated.partition.metis import MetisPartitioner
from graphml.federated.partition.partition import Partition
from graphml.federated.partition.partitioner import Partitioner
from graphml.federated.partition.random import RandomPartitioner
from graphml.federated.partition.statistics import PartitionStatistics

__all__ = [
    "BalancedDirichletPartitioner",
    "DirichletPartitioner",
    "GroupPartitioner",
    "Items",
    "LouvainPartitioner",
    "MetisPartitioner",
    "Partition",
    "PartitionStatistics",
    "Partitioner",
    "RandomPartitioner",
]
