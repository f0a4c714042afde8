"""Encoders for control: graph convolutions with a fixed filter, and none at all."""

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from graphml.nn import FeatureLinear
from graphml.ops import SparsePattern, adjacency_pattern, spmm


class GCNEncoder(nn.Module):
    """Stack of graph convolutions, ``H' = relu(BN(A_hat H W))`` (Kipf and Welling, arXiv 1609.02907).

    Equal to PyG's GCNConv when the data carries self-loops (``NodeDataModule(self_loops=True)``): the weights arrive
    ready. As in the wavelet encoder the last layer has no activation and a BatchNorm that is not affine.

    Args:
        in_channels: Number of features of a node.
        hidden_channels: Width of the layers and of the embedding.
        num_layers: Number of layers, >= 1.
        dropout: Dropout probability before every layer but the first.

    Shapes:
        - **input:** features ``[N, in_channels]`` (dense or sparse CSR), edges ``[2, E]``, ready weights ``[E]``; a
          density is taken and ignored
        - **output:** ``[N, out_channels]``
    """

    def __init__(self, in_channels: int, hidden_channels: int = 256, num_layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected an integer >= 1, got {num_layers}")
        self.in_channels = in_channels
        self.out_channels = hidden_channels
        self.dropout = dropout
        widths = [in_channels] + [hidden_channels] * num_layers
        self.lins = nn.ModuleList(FeatureLinear(a, b, bias=False) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(hidden_channels, affine=layer < num_layers - 1) for layer in range(num_layers)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset all layers (Glorot, as GCNConv)."""
        for lin, norm in zip(self.lins, self.norms, strict=True):
            nn.init.xavier_uniform_(lin.weight)  # type: ignore[arg-type]
            norm.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """Embed the nodes."""
        pattern = adjacency_pattern(edge_index, x.size(0))
        weight = pattern.in_order(edge_weight)
        h = x
        for layer, (lin, norm) in enumerate(zip(self.lins, self.norms, strict=True)):
            h = F.dropout(h, self.dropout, self.training) if self.dropout > 0 and layer > 0 else h
            h = norm(self._propagate(pattern, weight, lin(h)))
            h = F.relu(h) if layer < len(self.lins) - 1 else h
        return h

    def _propagate(self, pattern: SparsePattern, weight: Tensor, x: Tensor) -> Tensor:
        return spmm(pattern, weight.to(x.dtype), x)


class MLPEncoder(GCNEncoder):
    """The same network without the graph: shows what the features alone give."""

    def _propagate(self, pattern: SparsePattern, weight: Tensor, x: Tensor) -> Tensor:
        return x
