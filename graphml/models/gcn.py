"""The graph convolutional network as a whole classifier."""

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from graphml.models.layer_widths import layer_widths
from graphml.nn import Bias, FeatureLinear
from graphml.ops import adjacency_pattern, spmm


class GCN(nn.Module):
    r"""Graph convolutional network (Kipf and Welling, ICLR 2017, arXiv 1609.02907).

    .. math::
        \mathbf{H}_{l+1} = \mathrm{relu}(\mathrm{dropout}(\hat{\mathbf{A}} \mathbf{H}_l \mathbf{W}_l + \mathbf{b}_l))

    with the last layer giving logits; the form of FederatedScope-GNN (KDD 2022), which drops out between the layers and
    not the features. Equal to PyG's GCNConv on data that carry self-loops: the weights arrive ready.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width of the layers.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability between the layers.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), edges ``[2, E]``, ready weights ``[E]``, or
          ``[num_layers, E]`` where the layers differ in them; a density is taken and ignored
        - **output:** logits ``[N, num_classes]``
    """

    def __init__(
        self, in_channels: int, num_classes: int, hidden_channels: int = 64, num_layers: int = 2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        self.dropout = dropout
        self.lins = nn.ModuleList(FeatureLinear(a, b, bias=False) for a, b in itertools.pairwise(widths))
        self.biases = nn.ModuleList(Bias(width) for width in widths[1:])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset all layers (Glorot, as GCNConv)."""
        for lin, bias in zip(self.lins, self.biases, strict=True):
            nn.init.xavier_uniform_(lin.weight)  # type: ignore[arg-type]
            bias.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """Logits of the nodes."""
        pattern = adjacency_pattern(edge_index, x.size(0))
        weights = edge_weight.expand(len(self.lins), -1)
        h = x
        for layer, (lin, bias, weight) in enumerate(zip(self.lins, self.biases, weights, strict=True)):
            h = F.relu(F.dropout(h, self.dropout, self.training)) if layer > 0 else h
            h = lin(h)
            h = bias(spmm(pattern, pattern.in_order(weight).to(h.dtype), h))
        return h
