"""Operators on tensors: sparse and relation products, Chebyshev bases, segments, log-sum-exp, dialogue edges."""

from graphml.ops.angular_similarity import angular_similarity
from graphml.ops.centered_product import centered_product
from graphml.ops.chebyshev import chebyshev_basis
from graphml.ops.chebyshev_filter import chebyshev_filter
from graphml.ops.contrastive import contrastive_logsumexp
from graphml.ops.corrupt_triples import corrupt_triples
from graphml.ops.dense import as_dense
from graphml.ops.dialogue_batch import DialogueBatch, DialogueLinks
from graphml.ops.dialogue_edges import (
    DialogueEdges,
    dialogue_edges,
    speaker_direction,
    speaker_pair_direction,
    speaker_pair_edges,
)
from graphml.ops.modality_edges import modality_edges, modality_hyperedges
from graphml.ops.normalize import mean_normalize, symmetric_normalize
from graphml.ops.relation_product import RelationPattern, relation_pattern, relation_product
from graphml.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum
from graphml.ops.sparse import SparsePattern, adjacency_pattern, matrix_pattern, spmm

__all__ = [
    "DialogueBatch",
    "DialogueEdges",
    "DialogueLinks",
    "RelationPattern",
    "SparsePattern",
    "adjacency_pattern",
    "angular_similarity",
    "as_dense",
    "centered_product",
    "chebyshev_basis",
    "chebyshev_filter",
    "contrastive_logsumexp",
    "corrupt_triples",
    "dialogue_edges",
    "matrix_pattern",
    "mean_normalize",
    "modality_edges",
    "modality_hyperedges",
    "relation_pattern",
    "relation_product",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "speaker_direction",
    "speaker_pair_direction",
    "speaker_pair_edges",
    "spmm",
    "symmetric_normalize",
]
