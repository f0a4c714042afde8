"""LightningModules, one per kind of problem."""

from graphml.tasks.contrastive import ContrastiveTask
from graphml.tasks.node_classification import NodeClassificationTask

__all__ = ["ContrastiveTask", "NodeClassificationTask"]
