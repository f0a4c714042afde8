"""What someone sees who queries a model of nodes."""

import copy

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphml.federated.weights import Weights
from graphml.tasks import NodeClassificationTask


@torch.no_grad()
def posteriors(task: NodeClassificationTask, weights: Weights, data: Data) -> Tensor:
    """Class probabilities of all nodes of a graph.

    Args:
        task: The task; it is not changed.
        weights: Weights of the model that is queried, by the task's names.
        data: The graph that the model computes on: its N nodes are those that can be asked for.

    Returns:
        Probabilities, float64 [N, C]: in single precision those of sure predictions would all be 1.
    """
    model = copy.deepcopy(task)
    model.load_state_dict(weights)
    logits: Tensor = model.eval()(data)
    return logits.double().softmax(dim=1)
