"""Weights of edges by the angle between the features of their ends."""

import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.ops.dialogue_edges import DialogueEdges


def angular_similarity(x: Tensor, edges: DialogueEdges) -> Tensor:
    """Weight ``1 - arccos(0.99999 cos(x_source, x_target)) / pi`` of each edge, between 0 and 1.

    Hu et al., "MMGCN", ACL 2021, whose factor keeps the gradient finite between parallel rows. A row of zeros is at a
    right angle to all. The cosines are a matrix product sampled at the edges: no buffer of E x F.

    Args:
        x: ``[N, F]`` features of the nodes. Differentiable.
        edges: Edges among the nodes.

    Returns:
        ``[E]`` weights in ``x``'s type.

    Raises:
        ValueError: If ``x`` is not a matrix with a row for each node.
    """
    num_nodes = edges.rowptr.numel() - 1
    if x.dim() != 2 or x.size(0) != num_nodes:
        raise ValueError(f"x: expected a matrix [{num_nodes}, channels], got shape {tuple(x.shape)}")
    wide = x.to(torch.promote_types(x.dtype, torch.float32))  # there is no sampled product in half precision
    unit = F.normalize(wide, dim=1)
    zeros = unit.new_zeros(edges.relation.numel())
    # Rows are targets; the edges of a target are in no order that the product needs, so that no check is wanted.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        places = torch.sparse_csr_tensor(
            edges.rowptr, edges.edge_index[0], zeros, (num_nodes, num_nodes), check_invariants=False
        )
    cosine = torch.sparse.sampled_addmm(places, unit, unit.t(), beta=0.0).values()
    return (1 - torch.acos(0.99999 * cosine) / math.pi).to(x.dtype)
