"""Graph convolution over typed, weighted edges."""

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import glorot, zeros

from graphml.nn.byte_dropout import ByteDropout
from graphml.nn.relation_norm import RelationNorm
from graphml.ops import SparsePattern, centered_product, matrix_pattern, segment_sum, spmm


class RelationConv(nn.Module):
    r"""Relational graph convolution whose edge weights reach the sum.

    R-GCN (Schlichtkrull et al., `arXiv 1703.06103 <https://arxiv.org/abs/1703.06103>`_, eq. 2) with a weight for each
    edge, normalised over the edges that enter a node in one relation:

    .. math::
        \mathbf{x}_i' = \mathbf{W}_0 \mathbf{x}_i + \mathbf{b} + \sum_{r} \sum_{j \in \mathcal{N}_r(i)}
        \frac{w_{ij}}{\sum_{k \in \mathcal{N}_r(i)} w_{ik}} \mathbf{W}_r \mathbf{x}_j,
        \qquad \mathbf{W}_r = \sum_b a_{rb} \mathbf{V}_b \;\text{with bases}

    Without weights this is PyG's ``RGCNConv``. Public codes of conversation models compute such weights and then drop
    them; here the output and the gradient depend on them.

    Args:
        in_channels: Size of each input sample.
        out_channels: Size of each output sample.
        num_relations: Number of relations R.
        num_bases: Number of basis matrices of all relations' weights; default: each relation has a matrix of its own.
        root: Whether to add the node's own features through :math:`\mathbf{W}_0`.
        bias: Whether to add a bias.
        norm: Whether to normalise what each relation brings (`RelationNorm`) before :math:`\mathbf{W}_r`.
        dropout: Dropout probability of what each relation brings.

    Shapes:
        - **input:** node features :math:`(N, F_{in})`, edges :math:`(2, E)` from source to target, relations
          :math:`(E)` from 0 to R - 1, non-negative edge weights :math:`(E)` *(optional)*
        - **output:** node features :math:`(N, F_{out})`

    Example:
        >>> import torch
        >>> from graphml.nn import RelationConv
        >>> edge_index, relation = torch.tensor([[0, 1, 2], [1, 0, 1]]), torch.tensor([0, 1, 1])
        >>> RelationConv(4, 8, num_relations=2)(torch.randn(3, 4), edge_index, relation).shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_relations: int,
        num_bases: int | None = None,
        root: bool = True,
        bias: bool = True,
        norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_relations < 1 or (num_bases is not None and num_bases < 1):
            raise ValueError(f"num_relations, num_bases: expected at least 1, got {num_relations}, {num_bases}")
        self.in_channels, self.out_channels, self.num_relations = in_channels, out_channels, num_relations
        self.num_bases = num_bases
        self.weight = nn.Parameter(torch.empty(num_bases or num_relations, in_channels, out_channels))
        self.coefficients = nn.Parameter(torch.empty(num_relations, num_bases)) if num_bases else None
        self.root = nn.Parameter(torch.empty(in_channels, out_channels)) if root else None
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.norm = RelationNorm(num_relations, in_channels) if norm else None
        self.dropout = ByteDropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for parameter in (self.weight, self.coefficients, self.root):
            glorot(parameter)
        zeros(self.bias)
        if self.norm is not None:
            self.norm.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor | None = None,
        nodes: Tensor | None = None,
        pattern: SparsePattern | None = None,
    ) -> Tensor:
        """Convolve: the sum over relations of `per_relation`, the node itself and the bias.

        Args:
            x: ``[N, F_in]`` node features.
            edge_index: ``[2, E]`` source and target of each edge.
            relation: ``[E]`` relation of each edge.
            edge_weight: ``[E]`` weights, not negative; default ones.
            nodes: ``[M]`` nodes to compute; default all.
            pattern: `relation_rows` of the edges, where it is at hand.

        Returns:
            ``[N, F_out]``, or ``[M, F_out]``.
        """
        means = self._prepare(*self._gather(x, edge_index, relation, edge_weight, pattern))
        if nodes is not None:
            x, means = x[nodes], means[nodes]
        # One product of all relations side by side: [N, R, F_out] is never held.
        out = means.flatten(1) @ self._weight().flatten(0, 1)
        if self.root is not None:
            out = out + x @ self.root
        return out if self.bias is None else out + self.bias

    def per_relation(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor | None = None,
        pattern: SparsePattern | None = None,
    ) -> Tensor:
        """What each relation brings to each node: the weighted mean of its neighbours there, transformed.

        Args:
            x: ``[N, F_in]`` node features.
            edge_index: ``[2, E]`` source and target of each edge.
            relation: ``[E]`` relation of each edge.
            edge_weight: ``[E]`` weights, not negative; default ones.
            pattern: `relation_rows` of the edges, where it is at hand.

        Returns:
            ``[N, R, F_out]``; 0 where no edge of the relation enters the node. In memory one relation after the other.

        Raises:
            ValueError: If ``relation`` is not one number from 0 to R - 1 for each edge.
        """
        means, there = self._gather(x, edge_index, relation, edge_weight, pattern)
        if self.norm is None:
            return (self._prepare(means, there).transpose(0, 1) @ self._weight()).transpose(0, 1)
        keep = self.dropout.draw(means.transpose(0, 1).shape, x.device) if self.dropout.active else None
        weight = self._weight() if keep is None else self._weight() * self.dropout.factor
        with torch.no_grad():  # the product knows how they depend on the means
            center, scale, share = self.norm.statistics(means.transpose(0, 1), there.t())
        kept = None if keep is None else keep.transpose(0, 1)
        return centered_product(means, weight, center, scale, share, there, kept).transpose(0, 1)

    def _prepare(self, means: Tensor, there: Tensor) -> Tensor:
        """Means ``[R, N, F_in]``, normalised and dropped out, as ``[N, R, F_in]``."""
        means, there = means.transpose(0, 1), there.t()
        out: Tensor = self.dropout(means if self.norm is None else self.norm(means, there))
        return out

    def _gather(
        self,
        x: Tensor,
        edge_index: Tensor,
        relation: Tensor,
        edge_weight: Tensor | None,
        pattern: SparsePattern | None,
    ) -> tuple[Tensor, Tensor]:
        """Weighted mean of each node's neighbours in each relation ``[R, N, F_in]``, and where there is one."""
        num_nodes = x.size(0)
        if pattern is None:
            pattern = relation_rows(edge_index, relation, num_nodes, self.num_relations)
        weights = x.new_ones(relation.numel()) if edge_weight is None else edge_weight.to(x.dtype)
        weights = pattern.in_order(weights)
        total = segment_sum(weights, pattern.rowptr)
        # Shares of the edges and not of the sums, which are wide.
        shares = weights * total.masked_fill(total == 0, 1).reciprocal()[pattern.target]
        means = spmm(pattern, shares, x)
        return means.view(self.num_relations, num_nodes, -1), (total > 0).view(self.num_relations, num_nodes)

    def _weight(self) -> Tensor:
        if self.coefficients is None:
            return self.weight
        return torch.einsum("rb,bio->rio", self.coefficients, self.weight)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, num_relations={self.num_relations})"


def relation_rows(edge_index: Tensor, relation: Tensor, num_nodes: int, num_relations: int) -> SparsePattern:
    """Pattern of the matrix ``[R N, N]`` with a row for each relation and target, those of a relation together.

    A window has an edge of nearly every relation into nearly every node, so rows without one cost little.

    Args:
        edge_index: ``[2, E]`` source and target of each edge.
        relation: ``[E]`` relation of each edge.
        num_nodes: Nodes N.
        num_relations: Relations R.

    Raises:
        ValueError: If ``relation`` is not one number from 0 to R - 1 for each edge.
    """
    if relation.shape != edge_index.shape[1:] or (relation.numel() and int(relation.max()) >= num_relations):
        raise ValueError(
            f"relation: expected a number from 0 to {num_relations - 1} for each of the "
            f"{edge_index.size(1)} edges, got shape {tuple(relation.shape)} up to {int(relation.max())}"
        )
    row = relation.long() * num_nodes + edge_index[1]
    return matrix_pattern(row, edge_index[0], num_relations * num_nodes, num_nodes)
