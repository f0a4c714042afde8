"""An encoder that is easy to compute by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data


class Propagate(nn.Module):
    """``A_hat x W``, densely; keeps what it was given."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.weight = nn.Parameter(torch.randn(in_channels, out_channels, generator=torch.Generator().manual_seed(4)))
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, density: Tensor | None = None) -> Tensor:
        self.inputs.append(x.detach())
        source, target = edge_index.as_tensor()
        matrix = torch.zeros(len(x), len(x)).index_put((target, source), edge_weight)
        return matrix @ x.to_dense() @ self.weight if x.layout != torch.strided else matrix @ x @ self.weight


@pytest.fixture
def encoder() -> Propagate:
    return Propagate(8, 5)


@pytest.fixture
def seeded() -> Callable[..., torch.Generator]:
    return lambda seed=0: torch.Generator().manual_seed(seed)


@pytest.fixture
def sampled(make_module) -> Data:
    """A batch of 30 seed nodes and more nodes around them."""
    return next(iter(make_module(batch_size=30, num_neighbors=[3]).val_dataloader()))
