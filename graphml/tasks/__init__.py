"""LightningModules, one per kind of problem."""

from graphml.tasks.binary_node_classification import BinaryNodeClassificationTask
from graphml.tasks.contrastive import ContrastiveTask
from graphml.tasks.emotion import EmotionTask, Relations, UnknownClassError
from graphml.tasks.graph_classification import GraphClassificationTask
from graphml.tasks.least_squares_classification import LeastSquaresClassificationTask
from graphml.tasks.link_prediction import LinkPredictionTask
from graphml.tasks.node_classification import NodeClassificationTask

__all__ = [
    "BinaryNodeClassificationTask",
    "ContrastiveTask",
    "EmotionTask",
    "GraphClassificationTask",
    "LeastSquaresClassificationTask",
    "LinkPredictionTask",
    "NodeClassificationTask",
    "Relations",
    "UnknownClassError",
]
