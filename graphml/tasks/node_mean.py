"""Tasks whose loss is a mean over nodes."""

import abc
from typing import Any

import torch
from torch import Tensor, nn

from graphml.tasks.task import Task


class NodeMeanTask(Task):
    """Base of the tasks whose ``loss`` is the mean of the losses of the batch's training nodes.

    A node's loss depends on what it is connected with alone. So where a batch holds many graphs side by side, each
    with weights of its own, the nodes' losses say what each graph's loss is: the vectorised engine of federations
    trains on that. A subclass says what a node's loss is.
    """

    @abc.abstractmethod
    def node_losses(self, model: nn.Module, batch: Any, generator: torch.Generator) -> dict[str, Tensor]:
        """Values of each training node.

        Args:
            model: The network, or a stand-in that computes the same; it maps a batch to one row a node.
            batch: A batch of the loader.
            generator: Where all random numbers come from but those of dropout.

        Returns:
            ``loss``, and metrics by name: ``[n]`` each, in the order of the batch's n training nodes.
        """

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss of ``model`` on the batch's training nodes (0 without any), and the means of their metrics.

        Args:
            model: The network, or a stand-in that computes the same.
            batch: A batch of the loader.
            generator: Where all random numbers come from but those of dropout.
        """
        values = self.node_losses(model, batch, generator)
        means = {name: value.sum() / max(1, len(value)) for name, value in values.items()}
        return means["loss"], {name: mean.detach() for name, mean in means.items()}
