"""What the server sees of a client: how its weights have changed, and the gradient that this tells."""

import copy
import math
from collections.abc import Collection

from torch_geometric.data import Data

from graphml.federated.client import Client, LocalTraining
from graphml.federated.client_data import NodeData
from graphml.federated.message import Message
from graphml.federated.weights import Weights, difference
from graphml.tasks.task import Task


def gradient_of_update(
    before: Weights,
    after: Weights,
    lr: float,
    parameters: Collection[str] | None = None,
    steps: int = 1,
    weight_decay: float = 0.0,
) -> Weights:
    r"""Gradient that led from one state to another by plain SGD.

    .. math::
        \mathbf{g} = \frac{\mathbf{w} - \mathbf{w}'}{K \eta} - \lambda \mathbf{w}

    Exact for one step (:math:`K = 1`) up to rounding; of several steps it is the mean gradient along the way, and
    attacks that take it for the gradient at :math:`\mathbf{w}` are inexact by as much as the weights moved.

    Args:
        before: Weights that the server sent.
        after: Weights that came back.
        lr: Learning rate of the client, above 0.
        parameters: Names of the parameters; default all floating tensors, for models without floating buffers.
        steps: Number of local steps, at least 1.
        weight_decay: Weight decay of the client's optimizer.

    Returns:
        The gradient by the parameters' names.

    Raises:
        ValueError: If the learning rate or the number of steps is out of range.
    """
    if not 0 < lr < math.inf:
        raise ValueError(f"lr: expected a finite number above 0, got {lr}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    change = difference(after, before)
    names = change.keys() if parameters is None else parameters
    return {name: -change[name] / (steps * lr) - weight_decay * before[name] for name in names}


def local_update(task: Task, weights: Weights, data: Data, local: LocalTraining, seed: int) -> Weights:
    """How the weights change when a client of FedAvg trains on a graph: what it sends, less what it was sent.

    The adversary of property inference computes this for the clients that it makes up.

    Args:
        task: The task; it is not changed.
        weights: Weights that the server sent.
        data: The client's graph with ``train_mask``.
        local: How the client trains.
        seed: Seed of the training.

    Returns:
        ``after - before`` of all floating tensors, without what a defence would do to it.
    """
    client = Client(0, copy.deepcopy(task), NodeData(data), local, seed=seed)
    reply = client.fit(Message(weights, config={"round": 1}))
    return difference(reply.arrays, weights)
