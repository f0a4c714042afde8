"""Operators on tensors: sparse and relation products, normalisation, Chebyshev bases, segments, log-sum-exp."""

from graphml.ops.chebyshev import chebyshev_basis
from graphml.ops.chebyshev_filter import chebyshev_filter
from graphml.ops.contrastive import contrastive_logsumexp
from graphml.ops.normalize import symmetric_normalize
from graphml.ops.relation_product import RelationPattern, relation_pattern, relation_product
from graphml.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum
from graphml.ops.sparse import SparsePattern, adjacency_pattern, spmm

__all__ = [
    "RelationPattern",
    "SparsePattern",
    "adjacency_pattern",
    "chebyshev_basis",
    "chebyshev_filter",
    "contrastive_logsumexp",
    "relation_pattern",
    "relation_product",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "spmm",
    "symmetric_normalize",
]
