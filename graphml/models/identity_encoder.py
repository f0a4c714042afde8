"""Raw features as embeddings: the control that every encoder must beat."""

from torch import Tensor, nn

from graphml.ops import as_dense


class IdentityEncoder(nn.Module):
    """Returns the node features, dense.

    Args:
        in_channels: Number of features of a node.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = in_channels

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        """The features ``[N, in_channels]``."""
        return as_dense(x)
