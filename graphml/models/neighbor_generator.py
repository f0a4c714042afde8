"""A generator of neighbours that a node has lost: how many, and with which features."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GraphSAGE


class ImpairedGraph(NamedTuple):
    """A graph without some of its nodes, and what was lost with them.

    Args:
        x: Features of the m nodes that are left, [m, F].
        edge_index: Edges among them, [2, e].
        missing: How many neighbours each has lost, int64 [m].
        rows: The r nodes that have lost any, [r].
        lost: Whether a hidden node was a neighbour of one of these, bool [r, h].
        hidden_x: Features of the h hidden nodes, [h, F].
    """

    x: Tensor
    edge_index: Tensor
    missing: Tensor
    rows: Tensor
    lost: Tensor
    hidden_x: Tensor


class NeighborGenerator(nn.Module):
    r"""NeighGen (Zhang et al., "Subgraph Federated Learning with Missing Neighbor Generation", NeurIPS 2021).

    .. math::
        \mathbf{z} = \mathrm{GraphSAGE}(\mathbf{x}), \quad \tilde n = \mathbf{w}^\top \mathbf{z} + b, \quad
        \tilde{\mathbf{x}}^p = \mathrm{MLP}(\mathbf{z} + \mathbf{\epsilon}^p), \quad
        \mathbf{\epsilon}^p \sim \mathcal{N}(0, \mathbf{I})

    The neighbours of a node differ by their noise alone, so that the decoder does not grow with their number.

    Args:
        in_channels: Number of features F of a node.
        hidden_channels: Width H of the embeddings and of the decoder's one hidden layer.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 64) -> None:
        super().__init__()
        self.encoder = GraphSAGE(in_channels, hidden_channels, num_layers=2)
        self.counter = nn.Linear(hidden_channels, 1)
        self.decoder = nn.Sequential(
            nn.Linear(hidden_channels, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, in_channels)
        )

    def decode(self, z: Tensor, copies: Tensor, generator: torch.Generator) -> Tensor:
        """Features of neighbours.

        Args:
            z: Embeddings, [n, H].
            copies: Neighbours of each node, int64 [n], of sum m.
            generator: Where the noise comes from.

        Returns:
            ``[m, F]``, node by node.
        """
        repeated = z.repeat_interleave(copies, dim=0)
        features: Tensor = self.decoder(repeated + torch.randn(repeated.shape, generator=generator))
        return features

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [n, H] and numbers of missing neighbours [n]."""
        z = self.encoder(x, edge_index)
        return z, self.counter(z).squeeze(1)

    def loss(self, graph: ImpairedGraph, size: int, generator: torch.Generator) -> Tensor:
        """How far numbers (smooth L1) and features (`feature_loss`) are from what was hidden.

        Args:
            graph: The impaired graph.
            size: Most neighbours that are generated for a node P.
            generator: Where the noise comes from.
        """
        z, count = self(graph.x, graph.edge_index)
        copies = graph.missing[graph.rows].clamp(max=size)
        features = self.feature_loss(z[graph.rows], copies, graph.hidden_x, generator, graph.lost)
        return F.smooth_l1_loss(count, graph.missing.float()) + features

    def feature_loss(
        self, z: Tensor, copies: Tensor, targets: Tensor, generator: torch.Generator, allowed: Tensor | None = None
    ) -> Tensor:
        r"""Squared distance of each generated neighbour to the nearest target, summed over a node's neighbours.

        .. math::
            \frac{1}{r} \sum_{i=1}^{r} \sum_{p=1}^{n_i} \min_u \frac{1}{F} \|\tilde{\mathbf{x}}_i^p - \mathbf{x}_u\|^2

        Args:
            z: Embeddings of nodes, [r, H].
            copies: Neighbours that are generated for each n, int64 [r].
            targets: Features of real nodes, [h, F].
            generator: Where the noise comes from.
            allowed: Which targets each node may be compared with, bool [r, h], at least one; None for all.

        Returns:
            The loss; 0 without nodes.
        """
        generated = self.decode(z, copies, generator)
        if len(generated) == 0:
            return generated.sum()  # 0, with gradients
        squares = generated.square().sum(1)[:, None] - 2 * generated @ targets.T + targets.square().sum(1)
        if allowed is not None:
            squares = squares.masked_fill(~allowed.repeat_interleave(copies, dim=0), torch.inf)
        return squares.clamp(min=0).amin(1).sum() / (len(z) * targets.size(1))

    @torch.no_grad()
    def generate(self, x: Tensor, edge_index: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Neighbours for the nodes of a graph, as many as the counter says.

        Args:
            x: Features, [n, F].
            edge_index: Edges, [2, E].
            size: Most neighbours of a node P.
            generator: Where the noise comes from.

        Returns:
            The features of m neighbours [m, F], and the node that each belongs to [m], ascending.
        """
        z, count = self(x, edge_index)
        copies = count.round().clamp(0, size).long()
        return self.decode(z, copies, generator), torch.arange(len(x)).repeat_interleave(copies)


def hide_nodes(x: Tensor, edge_index: Tensor, fraction: float, generator: torch.Generator) -> ImpairedGraph:
    """Hide nodes of a graph, drawn uniformly.

    Args:
        x: Features, [n, F].
        edge_index: Symmetric edges, [2, E]; self-loops stay with their nodes, and are no neighbours.
        fraction: Share of the nodes that are hidden, in (0, 1); at least one node is left.
        generator: Where they are drawn from.

    Returns:
        What is left, and what was lost.
    """
    size = len(x)
    order = torch.randperm(size, generator=generator)
    hidden, left = (part.sort().values for part in order.tensor_split([min(int(fraction * size + 0.5), size - 1)]))
    place = torch.full((size,), -1)
    place[left] = torch.arange(len(left))
    source, target = edge_index
    kept = (place[source] >= 0) & (place[target] >= 0)
    lost = torch.zeros(len(left), len(hidden), dtype=torch.bool)
    cut = (place[source] < 0) & (place[target] >= 0)
    lost[place[target[cut]], torch.searchsorted(hidden, source[cut])] = True
    missing = lost.sum(1)
    rows = missing.nonzero().squeeze(1)
    return ImpairedGraph(x[left], place[edge_index[:, kept]], missing, rows, lost[rows], x[hidden])
