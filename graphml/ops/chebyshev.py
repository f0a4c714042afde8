"""The Chebyshev basis of a graph signal, computed once and shared by every filter."""

import torch
from torch import Tensor

from graphml.ops.sparse import SparsePattern, adjacency_pattern, spmm


def chebyshev_basis(x: Tensor, edge_index: Tensor | SparsePattern, weight: Tensor, order: int) -> Tensor:
    """``T_k(M) x`` for k = 0..order, with ``M = L - I = -A_hat``, whose eigenvalues lie in [-1, 1].

    The recurrence is ``T_0 = x, T_1 = M x, T_k = 2 M T_{k-1} - T_{k-2}`` (Hammond et al. 2011): ``order`` sparse
    products, however many filters share the result.

    Args:
        x: ``[N, F]`` graph signal.
        edge_index: ``[2, E]`` edges (plain or ``EdgeIndex``), or their :class:`~graphml.ops.SparsePattern`.
        weight: ``[E]`` symmetrically normalised weights ``A_hat``, in the order of ``edge_index`` or of the pattern.
        order: Degree K >= 0 of the highest polynomial.

    Returns:
        ``[K + 1, N, F]`` stacked basis.
    """
    if order < 0:
        raise ValueError(f"order: expected an integer >= 0, got {order}")
    if isinstance(edge_index, SparsePattern):
        pattern, shifted = edge_index, -weight
    else:
        pattern = adjacency_pattern(edge_index, x.size(0))
        shifted = -pattern.in_order(weight)
    basis = [x]
    if order > 0:
        basis.append(spmm(pattern, shifted, x))
    doubled = 2 * shifted
    for _ in range(order - 1):
        basis.append(spmm(pattern, doubled, basis[-1]) - basis[-2])
    return torch.stack(basis)
