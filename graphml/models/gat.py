"""Graph attention network as a node classifier."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv

from graphml.models.layer_widths import layer_widths


class GAT(nn.Module):
    """Graph attention network (Velickovic et al., ICLR 2018, `arXiv 1710.10903 <https://arxiv.org/abs/1710.10903>`_).

    PyG's ``GATConv``: the heads of a hidden layer lie side by side and share its width, the last layer has one head.
    Each node attends to itself once, whether the data carry self-loops or not. Between layers dropout, then ReLU, as
    in FederatedScope-GNN (which has one head).

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width between layers, a multiple of ``heads``.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability between layers.
        heads: Attention heads of a hidden layer, >= 1.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense, or sparse CSR, which is made dense), edges ``[2, E]``;
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
        heads: int = 8,
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        if heads < 1 or hidden_channels % heads:
            raise ValueError(f"heads: expected a divisor of hidden_channels {hidden_channels}, got {heads}")
        self.dropout = dropout
        hidden = [GATConv(width, hidden_channels // heads, heads) for width in widths[:-2]]
        self.convs = nn.ModuleList([*hidden, GATConv(widths[-2], num_classes)])

    def reset_parameters(self) -> None:
        """Reset all layers (Glorot)."""
        for conv in self.convs:
            conv.reset_parameters()  # type: ignore[operator]

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Classify the nodes."""
        x = x.to_dense() if x.layout == torch.sparse_csr else x
        # GATConv exchanges the self-loops, and an EdgeIndex would lose its caches by that, layer by layer.
        edges = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
        for layer, conv in enumerate(self.convs):
            x = F.relu(F.dropout(x, self.dropout, self.training)) if layer > 0 else x
            x = conv(x, edges)
        return x
