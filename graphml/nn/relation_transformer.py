"""Fusion of what the relations of a graph say about each node: DER-GCN's multiple information Transformer."""

import torch
from torch import Tensor, nn


class RelationTransformer(nn.Module):
    r"""Transformer encoder over the relations of a node, pooled by attention.

    The "multiple information Transformer" (MIT) of `"DER-GCN" <https://arxiv.org/abs/2312.10579>`_ (TNNLS 2024),
    rebuilt from its abstract (it captures the correlation between relations and fuses their representations):
    a node's R representations are tokens with a learned vector for each relation; encoder layers (pre-norm) let them
    attend to each other; a learned query pools them.

    Args:
        channels: Size of a representation, a multiple of ``heads``.
        num_relations: Number of relations R.
        num_layers: Encoder layers.
        heads: Attention heads.
        dropout: Dropout probability.

    Shapes:
        - **input:** representations :math:`(N, R, F)`, whether each is there :math:`(N, R)` *(optional)*
        - **output:** node features :math:`(N, F)` and the pooling weights :math:`(N, R)`, which add up to 1

    Example:
        >>> import torch
        >>> from graphml.nn import RelationTransformer
        >>> out, attention = RelationTransformer(8, num_relations=3, heads=2)(torch.randn(5, 3, 8))
        >>> out.shape, attention.shape
        (torch.Size([5, 8]), torch.Size([5, 3]))
    """

    def __init__(
        self, channels: int, num_relations: int, num_layers: int = 1, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels: expected a multiple of the {heads} heads, got {channels}")
        self.channels, self.num_relations = channels, num_relations
        self.relation = nn.Parameter(torch.empty(num_relations, channels))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(channels, heads, 2 * channels, dropout, batch_first=True, norm_first=True)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the relations' vectors anew; pooling starts as the mean."""
        nn.init.normal_(self.relation, std=0.02)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)

    def forward(self, tokens: Tensor, there: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Fuse the representations of each node.

        Args:
            tokens: ``[N, R, F]`` representation of each node under each relation.
            there: ``[N, R]`` whether a node has the relation, at least one each; others are not attended to.

        Returns:
            ``[N, F]`` fused features, and ``[N, R]`` the weight of each relation in them.

        Raises:
            ValueError: If the tokens have another shape.
        """
        if tokens.shape[1:] != (self.num_relations, self.channels):
            raise ValueError(
                f"tokens: expected shape [N, {self.num_relations}, {self.channels}], got {list(tokens.shape)}"
            )
        hidden = tokens + self.relation
        absent = None if there is None else ~there
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=absent)
        hidden = self.norm(hidden)
        scores = self.query(hidden).squeeze(-1)
        attention = (scores if absent is None else scores.masked_fill(absent, -torch.inf)).softmax(dim=1)
        return torch.einsum("nr,nrf->nf", attention, hidden), attention

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, {self.num_relations}, num_layers={len(self.layers)})"
