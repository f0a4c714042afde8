"""Graph isomorphism network as a classifier of whole graphs."""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool, global_mean_pool

from graphml.models.gin import GIN

POOLING = {"sum": global_add_pool, "mean": global_mean_pool}


class GINGraphClassifier(nn.Module):
    """GIN, a sum over each graph's nodes, and a perceptron (Xu et al., ICLR 2019, arXiv 1810.00826).

    The form is that of FederatedScope-GNN (KDD 2022, arXiv 2204.05562): a linear layer before `GIN`, and two after the
    pooling with ReLU and dropout between them. It reads the last layer, where the paper reads all of them.

    Args:
        in_channels: Number of features of a node.
        num_classes: Number of classes.
        hidden_channels: Width of all layers.
        num_layers: Number of GIN layers, >= 1.
        dropout: Dropout probability between layers and before the last linear one.
        pooling: "sum" over the nodes, which sees how large a graph is, or "mean", which does not.
        norm: Class or partial of what stands for BatchNorm in `GIN`, from a width; default BatchNorm.

    Shapes:
        - **input:** features ``[N, in_channels]`` of the nodes of G graphs, edges ``[2, E]``, number of each node's
          graph ``[N]``, G
        - **output:** logits ``[G, num_classes]``
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 64,
        num_layers: int = 2,
        dropout: float = 0.5,
        pooling: Literal["sum", "mean"] = "sum",
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if pooling not in POOLING:
            raise ValueError(f"pooling: expected one of {', '.join(POOLING)}, got {pooling!r}")
        self.pool = POOLING[pooling]
        self.dropout = dropout
        self.embed = nn.Linear(in_channels, hidden_channels)
        self.gin = GIN(hidden_channels, hidden_channels, hidden_channels, num_layers, dropout, norm)
        self.hidden = nn.Linear(hidden_channels, hidden_channels)
        self.head = nn.Linear(hidden_channels, num_classes)

    def reset_parameters(self) -> None:
        """Reset all layers."""
        for layer in (self.embed, self.gin, self.hidden, self.head):
            layer.reset_parameters()

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        """Classify the graphs."""
        pooled = self.pool(self.gin(self.embed(x), edge_index), batch, num_graphs)
        logits: Tensor = self.head(F.dropout(F.relu(self.hidden(pooled)), self.dropout, self.training))
        return logits
