"""Graph isomorphism network as a node classifier, and as the body of one for graphs."""

import itertools
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models.layer_widths import layer_widths
from graphml.nn import FeatureLinear
from graphml.ops import SparsePattern, adjacency_pattern, spmm


class GIN(nn.Module):
    """Graph isomorphism network (Xu et al., ICLR 2019, `arXiv 1810.00826 <https://arxiv.org/abs/1810.00826>`_).

    GIN-0 of the paper: each layer adds up a node and its neighbours and applies a perceptron of two linear layers with
    BatchNorm and ReLU between them. Where the data carry self-loops, a node counts once more. Between layers dropout,
    then ReLU, as in FederatedScope-GNN.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width between layers, and within each layer's perceptron.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability between layers.
        norm: Class or partial of what stands for BatchNorm, from a width, such as ``torch.nn.LayerNorm``, which keeps
            examples apart (differentially private training needs that); default BatchNorm.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), edges ``[2, E]``;
          weights ``[E]`` and a density are taken and ignored
        - **output:** logits ``[N, num_classes]``
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 64,
        num_layers: int = 2,
        dropout: float = 0.5,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        self.dropout = dropout
        self.layers = nn.ModuleList(
            _Layer(a, hidden_channels, b, norm or nn.BatchNorm1d) for a, b in itertools.pairwise(widths)
        )

    def reset_parameters(self) -> None:
        """Reset all layers."""
        for layer in self.layers:
            layer.reset_parameters()  # type: ignore[operator]

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Classify the nodes."""
        pattern = adjacency_pattern(edge_index, x.size(0))
        for number, layer in enumerate(self.layers):
            x = F.relu(F.dropout(x, self.dropout, self.training)) if number > 0 else x
            x = layer(x, pattern)
        return x


class _Layer(nn.Module):
    """PyG's ``GINConv``, with features projected before they are added up: 10 times as fast on Cora's words.

    The first linear layer has no bias, which the BatchNorm after it would take away.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, out_channels: int, norm: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.first = FeatureLinear(in_channels, hidden_channels, bias=False)
        self.norm = norm(hidden_channels)
        self.second = nn.Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        for module in (self.first, self.norm, self.second):
            module.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, pattern: SparsePattern) -> Tensor:
        h = self.first(x)
        h = h + spmm(pattern, h.new_ones(pattern.col.numel()), h)
        out: Tensor = self.second(F.relu(self.norm(h)))
        return out
