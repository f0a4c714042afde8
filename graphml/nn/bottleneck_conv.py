"""Graph convolution that hears neighbours through a few numbers each."""

import torch
from torch import Tensor, nn

from graphml.nn.relation_conv import RelationConv
from graphml.ops import SparsePattern


class BottleneckConv(nn.Module):
    r"""A node's own gated features, and beside them what its neighbours say in a few numbers.

    .. math::
        \mathbf{h}_i = \tanh(\mathbf{A} \mathbf{x}_i + \mathbf{a}) \odot \sigma(\mathbf{B} \mathbf{x}_i + \mathbf{b}),
        \qquad \mathbf{m}_{ir} = \mathbf{W}_r \sum_{j \in \mathcal{N}_r(i)}
        \frac{w_{ij}}{\sum_k w_{ik}} \tanh(\mathbf{C} \mathbf{h}_j + \mathbf{c})

    A matrix from all features for each relation has more parameters than a small corpus can tell, and neighbours that
    say little are then mostly noise, as loud as the node itself. Here what neighbours may say is small, the same view
    of a node serves all relations, and :math:`\mathbf{W}_r` starts at 0: the network begins with the node alone. Takes
    the place of `RelationConv` where relation 0 joins each node to itself.

    Args:
        in_channels: Size of each input sample.
        out_channels: Size of each output sample.
        num_relations: Number of relations R, the first of which is the node itself.
        bottleneck: Numbers that a neighbour is heard through, at least 1.
        input_dropout: Dropout probability of the input.
        dropout: Dropout probability of what is said, and of what each relation brings.

    Shapes:
        - **input:** node features :math:`(N, F_{in})`, edges :math:`(2, E)`, relations :math:`(E)`, non-negative edge
          weights :math:`(E)` *(optional)*
        - **output of** ``per_relation``: :math:`(N, R, F_{out})`

    Raises:
        ValueError: If ``bottleneck`` is less than 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_relations: int,
        bottleneck: int,
        input_dropout: float = 0.5,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if bottleneck < 1:
            raise ValueError(f"bottleneck: expected at least 1, got {bottleneck}")
        self.own = nn.Linear(in_channels, 2 * out_channels)
        self.view = nn.Linear(out_channels, bottleneck)
        self.conv = RelationConv(bottleneck, out_channels, num_relations, root=False, bias=False, dropout=dropout)
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        nn.init.zeros_(self.conv.weight)  # the parts have drawn theirs

    def reset_parameters(self) -> None:
        """Draw the weights anew; those of the relations start at 0."""
        self.own.reset_parameters()
        self.view.reset_parameters()
        nn.init.zeros_(self.conv.weight)

    def per_relation(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor | None = None,
        pattern: SparsePattern | None = None,
    ) -> Tensor:
        """What each relation brings to each node; relation 0 brings the node itself.

        Args:
            x: ``[N, F_in]`` node features.
            edge_index: ``[2, E]`` source and target of each edge.
            relation: ``[E]`` relation of each edge.
            edge_weight: ``[E]`` weights, not negative; default ones.
            pattern: `relation_rows` of the edges, where it is at hand.

        Returns:
            ``[N, R, F_out]``; 0 where no edge of the relation enters the node, save in relation 0.
        """
        value, gate = self.own(self.input_dropout(x)).chunk(2, dim=1)
        own = torch.tanh(value) * torch.sigmoid(gate)
        said = torch.tanh(self.view(self.dropout(own)))
        heard = self.conv.per_relation(said, edge_index, relation, edge_weight, pattern)
        return torch.cat([own.unsqueeze(1), heard[:, 1:]], dim=1)
