"""Operators on tensors: sparse products, normalisation, Chebyshev bases, contrastive log-sum-exp, dialogue edges."""

from graphml.ops.angular_similarity import angular_similarity
from graphml.ops.chebyshev import chebyshev_basis
from graphml.ops.chebyshev_filter import chebyshev_filter
from graphml.ops.contrastive import contrastive_logsumexp
from graphml.ops.dialogue_edges import (
    DialogueEdges,
    dialogue_edges,
    speaker_direction,
    speaker_pair_direction,
    speaker_pair_edges,
)
from graphml.ops.modality_edges import modality_edges, modality_hyperedges
from graphml.ops.normalize import symmetric_normalize
from graphml.ops.sparse import SparsePattern, adjacency_pattern, spmm

__all__ = [
    "DialogueEdges",
    "SparsePattern",
    "adjacency_pattern",
    "angular_similarity",
    "chebyshev_basis",
    "chebyshev_filter",
    "contrastive_logsumexp",
    "dialogue_edges",
    "modality_edges",
    "modality_hyperedges",
    "speaker_direction",
    "speaker_pair_direction",
    "speaker_pair_edges",
    "spmm",
    "symmetric_normalize",
]
