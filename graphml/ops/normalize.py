"""Normalisations of edge weights: symmetric, and the mean over the neighbours."""

import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from graphml.ops.sparse import SparsePattern


def symmetric_normalize(edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> Tensor:
    """Weights of ``D^-1/2 A D^-1/2``; an isolated node has a row of zeros (so its Laplacian entry is 1, as in PyG).

    Self-loops count in the degree when the edge list holds them; none are added.

    Args:
        edge_index: ``[2, E]`` source and target of each edge.
        edge_weight: ``[E]`` non-negative raw weights, or ``None`` for ones. Differentiable.
        num_nodes: Number of nodes N.

    Returns:
        ``[E]`` normalised weights in the order of ``edge_index``.
    """
    source, target = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
    if edge_weight is None:
        edge_weight = torch.ones(target.numel(), device=target.device)
    degree = edge_weight.new_zeros(num_nodes).index_add(0, target, edge_weight)
    scale = degree.clamp(min=torch.finfo(degree.dtype).tiny).rsqrt() * (degree > 0)
    return scale[target] * edge_weight * scale[source]


def mean_normalize(pattern: SparsePattern, dtype: torch.dtype = torch.float32) -> Tensor:
    """Weights of ``D^-1 A``, which average over the entries of each row; a row without entries stays 0.

    Args:
        pattern: Positions of the entries of A; a self-loop is an entry as any other.
        dtype: Floating type of the weights.

    Returns:
        ``[E]`` weights in CSR order.
    """
    degree = pattern.rowptr.diff()
    return degree.to(dtype).reciprocal().repeat_interleave(degree, output_size=pattern.col.numel())
