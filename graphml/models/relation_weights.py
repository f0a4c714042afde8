"""A matrix for each relation, made of fewer matrices where there are many relations."""

import torch
from torch import Tensor, nn


class RelationWeights(nn.Module):
    r"""R-GCN's basis decomposition :math:`\mathbf{W}_r = \sum_b a_{rb} \mathbf{V}_b` (arXiv 1703.06103, eq. 3).

    Pairs of speakers give 8 relations for two people and 162 for the nine of MELD, most of them rare. Up to
    ``num_bases`` relations each have a matrix of their own.

    Args:
        num_relations: Number of relations R.
        in_channels: Rows of a matrix.
        out_channels: Columns of a matrix.
        num_bases: Most matrices to learn; the public code of DialogueGCN has 30.
    """

    def __init__(self, num_relations: int, in_channels: int, out_channels: int, num_bases: int = 30) -> None:
        super().__init__()
        shared = num_relations > num_bases
        self.bases = nn.Parameter(torch.empty(min(num_bases, num_relations), in_channels, out_channels))
        self.coefficients = nn.Parameter(torch.empty(num_relations, num_bases)) if shared else None
        for matrix in self.bases:
            nn.init.xavier_uniform_(matrix)
        if self.coefficients is not None:
            nn.init.xavier_uniform_(self.coefficients)

    def forward(self) -> Tensor:
        """Return the matrices, ``[R, in_channels, out_channels]``."""
        if self.coefficients is None:
            return self.bases
        return torch.einsum("rb,bio->rio", self.coefficients, self.bases)
