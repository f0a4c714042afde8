"""Operators on tensors: sparse products, normalisation, Chebyshev bases, contrastive log-sum-exp."""

from graphml.ops.chebyshev import chebyshev_basis
from graphml.ops.chebyshev_filter import chebyshev_filter
from graphml.ops.contrastive import contrastive_logsumexp
from graphml.ops.normalize import symmetric_normalize
from graphml.ops.sparse import SparsePattern, adjacency_pattern, spmm

__all__ = [
    "SparsePattern",
    "adjacency_pattern",
    "chebyshev_basis",
    "chebyshev_filter",
    "contrastive_logsumexp",
    "spmm",
    "symmetric_normalize",
]
