"""Classes of nodes by least squares: ridge regression of their indicators on what an encoder makes of them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.tasks.node_classification import NodeClassificationTask


class LeastSquaresClassificationTask(NodeClassificationTask):
    r"""Trains an encoder and a linear head to meet the indicators of the classes in least squares.

    .. math::
        \ell(\mathbf{z}, y) = \tfrac12 \lVert \mathbf{z} - \mathbf{e}_y \rVert^2

    The largest output names the class. With ``graphml.models.IdentityEncoder`` and an L2 penalty it is ridge regression
    of the indicators. The arguments are those of `NodeClassificationTask`.
    """

    def node_losses(self, model: nn.Module, batch: Any, generator: torch.Generator) -> dict[str, Tensor]:
        """Half the squared distance of each of the batch's training nodes, and whether it is right there."""
        outputs, y = self._chosen(model, batch, "train")
        return {"loss": _distances(outputs, y), "accuracy": (outputs.argmax(1) == y).float()}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Nodes of the stage, how many of them are named rightly, and the sum of half their squared distances."""
        outputs, y = self._chosen(model, batch, stage)
        loss = _distances(outputs.double(), y).sum()
        return {"loss": loss, "correct": (outputs.argmax(1) == y).sum(), "count": torch.tensor(len(y))}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Outputs ``[num_seeds, num_classes]``, near 1 for the class and near 0 for the others."""
        outputs: Tensor = self(batch)
        return outputs


def _distances(outputs: Tensor, y: Tensor) -> Tensor:
    indicators = F.one_hot(y, outputs.size(1)).to(outputs.dtype)
    return 0.5 * (outputs - indicators).square().sum(1)
