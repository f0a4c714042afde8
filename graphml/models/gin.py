"""Graph isomorphism network as a node classifier, and as the body of one for graphs."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from graphml.models.layer_widths import layer_widths


class GIN(nn.Module):
    """Graph isomorphism network (Xu et al., ICLR 2019, `arXiv 1810.00826 <https://arxiv.org/abs/1810.00826>`_).

    GIN-0 of the paper by PyG's ``GINConv``: each layer adds up a node and its neighbours and applies a perceptron of
    two linear layers with BatchNorm and ReLU between them. Between layers dropout, then ReLU, as in
    FederatedScope-GNN. Where the data carry self-loops, a node counts once more.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width between layers, and within each layer's perceptron.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability between layers.

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
    ) -> None:
        super().__init__()
        widths = layer_widths(in_channels, num_classes, hidden_channels, num_layers, dropout)
        self.dropout = dropout
        self.convs = nn.ModuleList(GINConv(perceptron(a, hidden_channels, b)) for a, b in itertools.pairwise(widths))

    def reset_parameters(self) -> None:
        """Reset all layers."""
        for conv in self.convs:
            conv.reset_parameters()  # type: ignore[operator]

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, density: Tensor | None = None
    ) -> Tensor:
        """Classify the nodes."""
        x = x.to_dense() if x.layout == torch.sparse_csr else x
        for layer, conv in enumerate(self.convs):
            x = F.relu(F.dropout(x, self.dropout, self.training)) if layer > 0 else x
            x = conv(x, edge_index)
        return x


def perceptron(in_channels: int, hidden_channels: int, out_channels: int) -> nn.Sequential:
    """Two linear layers, with BatchNorm and ReLU between them.

    Args:
        in_channels: Width of the input.
        hidden_channels: Width between the layers.
        out_channels: Width of the output.
    """
    return nn.Sequential(
        nn.Linear(in_channels, hidden_channels),
        nn.BatchNorm1d(hidden_channels),
        nn.ReLU(),
        nn.Linear(hidden_channels, out_channels),
    )
