"""A bias that is added after propagation."""

import torch
from torch import Tensor, nn


class Bias(nn.Module):
    """Adds one learned row to every row.

    It is a layer of its own, so that a linear layer and its bias may lie on either side of a sparse product.

    Args:
        channels: Number of channels.

    Shapes:
        - **input:** ``[N, channels]``
        - **output:** ``[N, channels]``
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start at zero."""
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Add the bias."""
        return x + self.bias
