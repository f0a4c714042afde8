"""Generalised PageRank graph neural network as a node classifier."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models.layer_widths import layer_widths
from graphml.nn import FeatureLinear, drop_features
from graphml.ops import adjacency_pattern, spmm


class GPRGNN(nn.Module):
    r"""GPR-GNN (Chien et al., ICLR 2021, `arXiv 2006.07988 <https://arxiv.org/abs/2006.07988>`_).

    .. math::
        \mathbf{Z} = \sum_{k=0}^{K} \gamma_k \hat{\mathbf{A}}^k \operatorname{MLP}(\mathbf{X})

    The weights :math:`\gamma` are learned. They start as those of personalised PageRank, :math:`\alpha (1 - \alpha)^k`
    and, for the last, :math:`(1 - \alpha)^K`. The paper's operator has self-loops: serve it data that carry them
    (``NodeDataModule(self_loops=True)``). Dropout stands before each linear layer and before the propagation, as in
    the authors' code and in FederatedScope-GNN.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width of the perceptron.
        num_layers: Linear layers of the perceptron, >= 1.
        dropout: Dropout probability.
        K: Propagation steps, >= 0.
        alpha: Teleport probability of the initial weights, in [0, 1].

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), edges ``[2, E]``, ready weights ``[E]``; a
          density is taken and ignored
        - **output:** logits ``[N, num_classes]``
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 64,
        num_layers: int = 2,
        dropout: float = 0.5,
        K: int = 10,
        alpha: float = 0.1,
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        if K < 0:
            raise ValueError(f"K: expected an integer >= 0, got {K}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha: expected a probability in [0, 1], got {alpha}")
        self.dropout, self.K, self.alpha = dropout, K, alpha
        self.lins = nn.ModuleList(FeatureLinear(a, b) for a, b in itertools.pairwise(widths))
        self.gamma = nn.Parameter(torch.empty(K + 1))
        self.reset_parameters()

    def filter_parameters(self) -> list[nn.Parameter]:
        """Weights of the steps: the authors train them without weight decay."""
        return [self.gamma]

    def reset_parameters(self) -> None:
        """Reset the linear layers, and the weights to those of personalised PageRank."""
        for lin in self.lins:
            lin.reset_parameters()  # type: ignore[operator]
        with torch.no_grad():
            self.gamma.copy_((1 - self.alpha) ** torch.arange(self.K + 1))
            self.gamma[:-1] *= self.alpha

    def step_weights(self) -> Tensor:
        """``[K + 1]`` what each step counts; ``[K + 1, N, 1]`` where nodes have their own."""
        return self.gamma

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """Classify the nodes."""
        pattern = adjacency_pattern(edge_index, x.size(0))
        h = x
        for layer, lin in enumerate(self.lins):
            h = F.relu(h) if layer > 0 else h
            h = lin(drop_features(h, self.dropout, self.training))
        h = F.dropout(h, self.dropout, self.training)
        weight = pattern.in_order(edge_weight).to(h.dtype)
        first, *others = self.step_weights()
        out: Tensor = first * h
        for gamma in others:
            h = spmm(pattern, weight, h)
            out = out + gamma * h
        return out
