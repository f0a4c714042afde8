"""Self-supervision of a multi-relation graph: DER-GCN's masked graph autoencoder."""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.losses import scaled_cosine_error
from graphml.nn.relation_conv import RelationConv
from graphml.ops import SparsePattern, matrix_pattern
from graphml.ops.sparse import edge_dot

Encoder = Callable[[Tensor, Tensor], Tensor]


class MaskedGraphAutoencoder(nn.Module):
    r"""Hide nodes and edges, encode what is left, and reconstruct them.

    The SMGAE of `"DER-GCN" <https://arxiv.org/abs/2312.10579>`_ (TNNLS 2024), rebuilt from its abstract with the recipe
    of GraphMAE (`arXiv 2205.10803 <https://arxiv.org/abs/2205.10803>`_) for nodes and of MaskGAE
    (`arXiv 2205.10053 <https://arxiv.org/abs/2205.10053>`_) for edges:

    .. math::
        \mathcal{L} = \frac{1}{|\mathcal{V}_m|} \sum_{i \in \mathcal{V}_m} (1 - \cos(\mathbf{z}_i, \mathbf{x}_i))^\gamma
        + \mathrm{BCE}\Big(\sum_f h_{if} \, m_{rf} \, h_{jf}\Big)

    A share of the nodes gets a learned token (some of them another node's features); a share of the pairs of nodes
    loses its edges, of all relations and in both directions; the encoder runs on that; a bias-free linear map, the
    masked nodes set to 0 again, and one relational convolution :math:`\mathbf{z}` reconstruct the features. A masked
    edge of relation r is told from a pair with the same source that relation r does not join, in the same dialogue
    where ``batch`` is given: a window that covers a dialogue joins all pairs, but not by every relation. It exists in
    training alone: a forward pass masks nothing.

    Args:
        channels: Features of a node, which are also those of the encoder's input.
        hidden_channels: Features that the encoder returns.
        num_relations: Relations of the graph.
        node_rate: Share of nodes to mask, in (0, 1).
        edge_rate: Share of joined pairs to mask, in (0, 1).
        replace_rate: Share of the masked nodes that get another node's features instead of the token.
        gamma: Exponent of the scaled cosine error, at least 1.

    Raises:
        ValueError: If a rate or the exponent is out of range.
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int,
        num_relations: int,
        node_rate: float = 0.3,
        edge_rate: float = 0.3,
        replace_rate: float = 0.1,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        for name, rate in (("node_rate", node_rate), ("edge_rate", edge_rate)):
            if not 0 < rate < 1:
                raise ValueError(f"{name}: expected a share in (0, 1), got {rate}")
        if not 0 <= replace_rate <= 1 or gamma < 1:
            raise ValueError(
                f"replace_rate, gamma: expected a share in [0, 1] and at least 1, got {replace_rate}, {gamma}"
            )
        self.node_rate, self.edge_rate, self.replace_rate, self.gamma = node_rate, edge_rate, replace_rate, gamma
        self.token = nn.Parameter(torch.zeros(channels))
        self.bridge = nn.Linear(hidden_channels, hidden_channels, bias=False)
        self.decoder = RelationConv(hidden_channels, channels, num_relations)
        self.relation = nn.Parameter(torch.empty(num_relations, hidden_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.zeros_(self.token)
        nn.init.constant_(self.relation, self.relation.size(1) ** -0.5)
        self.bridge.reset_parameters()
        self.decoder.reset_parameters()

    def loss(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor,
        encoder: Encoder,
        generator: torch.Generator,
        batch: Tensor | None = None,
        pattern: SparsePattern | None = None,
    ) -> Tensor:
        """Mask, encode, reconstruct, compare.

        Args:
            x: ``[N, F]`` node features.
            edge_index: ``[2, E]`` source and target of each edge.
            relation: ``[E]`` relation of each edge.
            edge_weight: ``[E]`` weight of each edge.
            encoder: Function of node features ``[N, F]`` and edge weights ``[E]`` that returns ``[N, H]``.
            generator: Where the masks come from.
            batch: ``[N]`` dialogue of each node, ascending; default: one graph.
            pattern: `relation_rows` of the edges, where it is at hand.

        Returns:
            Scalar loss; 0 for a graph too small to mask a node in.
        """
        nodes = self._draw(x.size(0), self.node_rate, generator, x.device)
        if not nodes.numel():
            return x.sum() * 0.0
        edges = self._draw_pairs(edge_index, x.size(0), generator)
        left = edge_weight.index_fill(0, edges, 0.0)
        hidden = encoder(self._masked(x, nodes, generator), left)
        hollow = self.bridge(hidden).index_fill(0, nodes, 0.0)
        decoded = self.decoder(hollow, edge_index, relation, left, nodes, pattern)
        # The target is not trained: else features that are all alike would make the error small.
        error = scaled_cosine_error(decoded, x.detach()[nodes], self.gamma)
        return error + self._edge_loss(hidden, edge_index, relation, edges, batch, generator)

    def _masked(self, x: Tensor, nodes: Tensor, generator: torch.Generator) -> Tensor:
        """Features in which the nodes are hidden."""
        swap = nodes[: int(self.replace_rate * nodes.numel())]  # the nodes are in random order
        others = torch.randint(x.size(0), (swap.numel(),), generator=generator, device=generator.device).to(x.device)
        out = x.index_copy(0, nodes, self.token.to(x.dtype).expand(nodes.numel(), -1))
        return out.index_copy(0, swap, x[others])

    def _draw_pairs(self, edge_index: Tensor, num_nodes: int, generator: torch.Generator) -> Tensor:
        """Edges of the pairs to hide; a node's edge to itself stays."""
        low, high = edge_index.min(0).values, edge_index.max(0).values
        pairs, pair = torch.unique(low * num_nodes + high, return_inverse=True)
        hidden = torch.rand(pairs.numel(), generator=generator, device=generator.device).to(low.device) < self.edge_rate
        return (hidden[pair] & (low != high)).nonzero().squeeze(1)

    def _edge_loss(
        self,
        hidden: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        masked: Tensor,
        batch: Tensor | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Tell masked edges from pairs of the same source and dialogue that their relation does not join."""
        source, target, kind = edge_index[0][masked], edge_index[1][masked], relation[masked]
        sizes = torch.tensor([hidden.size(0)], device=hidden.device) if batch is None else torch.bincount(batch)
        dialogue = torch.zeros_like(source) if batch is None else batch[source]
        start = (sizes.cumsum(0) - sizes)[dialogue]
        place = torch.rand(source.numel(), generator=generator, device=generator.device).to(hidden.device)
        other = start + (place * sizes[dialogue]).long().clamp(max=sizes[dialogue] - 1)
        size = hidden.size(0)
        joined = ((relation * size + edge_index[0]) * size + edge_index[1]).sort().values
        asked = (kind * size + source) * size + other
        found = joined[torch.searchsorted(joined, asked).clamp(max=joined.numel() - 1)] == asked
        right = (~found & (other != source)).nonzero().squeeze(1)
        if not right.numel():
            return hidden.sum() * 0.0  # nothing masked, or everything joined
        row = (kind * size + source)[right]
        scores = self._scores(hidden, row.repeat(2), torch.cat([target[right], other[right]]))
        truth = torch.cat([torch.ones_like(row), torch.zeros_like(row)]).to(scores.dtype)
        return F.binary_cross_entropy_with_logits(scores, truth)

    def _scores(self, hidden: Tensor, row: Tensor, end: Tensor) -> Tensor:
        """Score of each pair, given by relation and source in one number and by target, in that order."""
        left = (self.relation.unsqueeze(1) * hidden).flatten(0, 1)
        pattern = matrix_pattern(row, end, left.size(0), hidden.size(0))
        scores = edge_dot(pattern, left, hidden)  # no copy of the features for each pair
        return torch.empty_like(scores).index_copy(0, cast(Tensor, pattern.perm).long(), scores)

    @staticmethod
    def _draw(size: int, rate: float, generator: torch.Generator, device: torch.device) -> Tensor:
        order = torch.randperm(size, generator=generator, device=generator.device)
        return order[: int(rate * size)].to(device)
