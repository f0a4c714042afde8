"""LightningModules, one per kind of problem."""

from graphml.tasks.contrastive import ContrastiveTask
from graphml.tasks.emotion import EmotionTask, Relations, UnknownClassError
from graphml.tasks.graph_classification import GraphClassificationTask
from graphml.tasks.link_prediction import LinkPredictionTask
from graphml.tasks.node_classification import NodeClassificationTask

__all__ = [
    "ContrastiveTask",
    "EmotionTask",
    "GraphClassificationTask",
    "LinkPredictionTask",
    "NodeClassificationTask",
    "Relations",
    "UnknownClassError",
]
