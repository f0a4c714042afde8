"""GraphSAGE with mean aggregation as a node classifier."""

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models.layer_widths import layer_widths
from graphml.nn import FeatureLinear
from graphml.ops import adjacency_pattern, mean_normalize, spmm


class SAGE(nn.Module):
    r"""GraphSAGE (Hamilton, Ying, Leskovec, NeurIPS 2017, `arXiv 1706.02216 <https://arxiv.org/abs/1706.02216>`_).

    .. math::
        \mathbf{x}_i' = \mathbf{W}_1 \mathbf{x}_i + \mathbf{b} +
        \mathbf{W}_2 \operatorname{mean}_{j \in \mathcal{N}(i)} \mathbf{x}_j

    PyG's ``SAGEConv``, with features projected before they are averaged: the sum has fewer columns, and bags of words
    may stay sparse. The neighbours are those of the edge list, the node itself too where the data carry self-loops.
    Between layers dropout, then ReLU, and no normalisation, as in FederatedScope-GNN.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width between layers.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability between layers.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), edges ``[2, E]``; weights ``[E]`` and a
          density are taken and ignored
        - **output:** logits ``[N, num_classes]``
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 64,
        num_layers: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        self.dropout = dropout
        self.root_lins = nn.ModuleList(FeatureLinear(a, b) for a, b in itertools.pairwise(widths))
        self.neighbor_lins = nn.ModuleList(FeatureLinear(a, b, bias=False) for a, b in itertools.pairwise(widths))

    def reset_parameters(self) -> None:
        """Reset all layers (as ``nn.Linear``, which is how SAGEConv draws them)."""
        for lin in (*self.root_lins, *self.neighbor_lins):
            lin.reset_parameters()

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Classify the nodes."""
        pattern = adjacency_pattern(edge_index, x.size(0))
        mean = mean_normalize(pattern, x.dtype)
        for layer, (root, neighbor) in enumerate(zip(self.root_lins, self.neighbor_lins, strict=True)):
            x = F.relu(F.dropout(x, self.dropout, self.training)) if layer > 0 else x
            x = root(x) + spmm(pattern, mean, neighbor(x))
        return x
