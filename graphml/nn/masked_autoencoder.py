"""Self-supervision of a multi-relation graph: DER-GCN's masked graph autoencoder."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.losses import scaled_cosine_error
from graphml.nn.relation_conv import RelationConv

Encoder = Callable[[Tensor, Tensor], Tensor]


class MaskedGraphAutoencoder(nn.Module):
    r"""Hide nodes and edges, encode what is left, and reconstruct them.

    The SMGAE of `"DER-GCN" <https://arxiv.org/abs/2312.10579>`_ (TNNLS 2024), rebuilt from its abstract with the recipe
    of GraphMAE (`arXiv 2205.10803 <https://arxiv.org/abs/2205.10803>`_) for nodes and of MaskGAE
    (`arXiv 2205.10053 <https://arxiv.org/abs/2205.10053>`_) for edges:

    .. math::
        \mathcal{L} = \frac{1}{|\mathcal{V}_m|} \sum_{i \in \mathcal{V}_m} (1 - \cos(\mathbf{z}_i, \mathbf{x}_i))^\gamma
        + \mathrm{BCE}(\mathbf{h}_i^\top \mathbf{M} \mathbf{h}_j)

    A share of the nodes gets a learned token (some of them another node's features), a share of the edges the weight 0;
    the encoder runs on that; a bias-free linear map, the masked nodes set to 0 again, and one relational convolution
    :math:`\mathbf{z}` reconstruct the features. Masked edges are told from pairs of nodes drawn at random, within the
    same dialogue where ``batch`` is given. It exists in training alone: a forward pass masks nothing.

    Args:
        channels: Features of a node, which are also those of the encoder's input.
        hidden_channels: Features that the encoder returns.
        num_relations: Relations of the graph.
        node_rate: Share of nodes to mask, in (0, 1).
        edge_rate: Share of edges to mask, in (0, 1).
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
        self.edge = nn.Linear(hidden_channels, hidden_channels, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.zeros_(self.token)
        for layer in (self.bridge, self.decoder, self.edge):
            layer.reset_parameters()

    def loss(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor,
        encoder: Encoder,
        generator: torch.Generator,
        batch: Tensor | None = None,
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

        Returns:
            Scalar loss; 0 for a graph too small to mask a node in.
        """
        nodes = self._draw(x.size(0), self.node_rate, generator, x.device)
        if not nodes.numel():
            return x.sum() * 0.0
        edges = self._draw(edge_index.size(1), self.edge_rate, generator, x.device)
        left = edge_weight.index_fill(0, edges, 0.0)
        hidden = encoder(self._masked(x, nodes, generator), left)
        hollow = self.bridge(hidden).index_fill(0, nodes, 0.0)
        decoded = self.decoder(hollow, edge_index, relation, left, nodes)
        # The target is not trained: else features that are all alike would make the error small.
        error = scaled_cosine_error(decoded, x.detach()[nodes], self.gamma)
        return error + self._edge_loss(hidden, edge_index[:, edges], batch, generator)

    def _masked(self, x: Tensor, nodes: Tensor, generator: torch.Generator) -> Tensor:
        """Features in which the nodes are hidden."""
        swap = nodes[: int(self.replace_rate * nodes.numel())]  # the nodes are in random order
        others = torch.randint(x.size(0), (swap.numel(),), generator=generator, device=generator.device).to(x.device)
        out = x.index_copy(0, nodes, self.token.to(x.dtype).expand(nodes.numel(), -1))
        return out.index_copy(0, swap, x[others])

    def _edge_loss(self, hidden: Tensor, edges: Tensor, batch: Tensor | None, generator: torch.Generator) -> Tensor:
        """Tell masked edges from pairs that have the same source and any target of its dialogue."""
        source, target = edges
        if not source.numel():
            return hidden.sum() * 0.0
        sizes = torch.tensor([hidden.size(0)], device=hidden.device) if batch is None else torch.bincount(batch)
        dialogue = torch.zeros_like(source) if batch is None else batch[source]
        start = (sizes.cumsum(0) - sizes)[dialogue]
        place = torch.rand(source.numel(), generator=generator, device=generator.device).to(hidden.device)
        other = start + (place * sizes[dialogue]).long().clamp(max=sizes[dialogue] - 1)
        left = self.edge(hidden)[source]
        scores = torch.cat([(left * hidden[end]).sum(1) for end in (target, other)])
        truth = torch.cat([torch.ones_like(place), torch.zeros_like(place)]).to(scores.dtype)
        return F.binary_cross_entropy_with_logits(scores, truth)

    @staticmethod
    def _draw(size: int, rate: float, generator: torch.Generator, device: torch.device) -> Tensor:
        order = torch.randperm(size, generator=generator, device=generator.device)
        return order[: int(rate * size)].to(device)
