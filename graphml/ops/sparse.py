"""Sparse product with a fixed pattern and varying values: ``out = A(weight) @ x``.

The pattern holds both compressed forms, so that the backward pass is the same product on the cached transpose: no
scatter, no atomics, no buffer of E x F. On CPU and CUDA the product is ``embedding_bag`` with per-sample weights, which
sums the rows of ``x`` that each pointer range names.
"""

from typing import NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric import EdgeIndex


class SparsePattern(NamedTuple):
    """Positions of the non-zero entries of a sparse matrix, compressed by rows and by columns.

    Entries are numbered in CSR order (sorted by row, then by column).

    Args:
        rowptr: ``[num_rows + 1]`` pointers into ``col``.
        col: ``[E]`` column of each entry.
        colptr: ``[num_cols + 1]`` pointers into ``row``.
        row: ``[E]`` row of each entry, sorted by column.
        transpose: ``[E]`` CSR number of the k-th entry in CSC order. For a symmetric pattern this is the number of the
            reversed entry.
        perm: ``[E]`` position in the caller's edge list of each CSR entry, or ``None`` when the list is in CSR order.
    """

    rowptr: Tensor
    col: Tensor
    colptr: Tensor
    row: Tensor
    transpose: Tensor
    perm: Tensor | None

    @property
    def num_rows(self) -> int:
        """Number of rows of the matrix."""
        return self.rowptr.numel() - 1

    @property
    def target(self) -> Tensor:
        """``[E]`` row of each entry in CSR order."""
        counts = self.rowptr.diff()
        index = torch.arange(self.num_rows, device=counts.device, dtype=self.col.dtype)
        return torch.repeat_interleave(index, counts, output_size=self.col.numel())

    def in_order(self, weight: Tensor) -> Tensor:
        """Bring edge values ``[E]`` from the caller's edge order into CSR order."""
        return weight if self.perm is None else weight.index_select(0, self.perm)


def _compress(index: Tensor, size: int) -> Tensor:
    """Pointers ``[size + 1]`` of a sorted index."""
    bounds = torch.arange(size + 1, device=index.device, dtype=index.dtype)
    return torch.searchsorted(index, bounds, out_int32=index.dtype == torch.int32)


def _compact(pattern: SparsePattern) -> SparsePattern:
    """Use int32 indices where they fit: half the memory traffic of the product."""
    largest = max(pattern.rowptr.numel(), pattern.colptr.numel(), pattern.col.numel())
    if largest >= 2**31 or pattern.col.dtype == torch.int32:
        return pattern
    return SparsePattern(*(None if t is None else t.to(torch.int32) for t in pattern))  # type: ignore[arg-type]


def _has_caches(edge_index: Tensor, num_nodes: int) -> TypeGuard[EdgeIndex]:
    return (
        isinstance(edge_index, EdgeIndex)
        and not torch.compiler.is_compiling()
        and edge_index.is_sorted
        and edge_index.sparse_size() == (num_nodes, num_nodes)
    )


def adjacency_pattern(edge_index: Tensor, num_nodes: int) -> SparsePattern:
    """Pattern of the adjacency matrix whose row is the target and whose column is the source of each edge.

    A sorted ``EdgeIndex`` gives its cached compressed forms; a plain tensor is sorted here, at every call, and so is an
    ``EdgeIndex`` under ``torch.compile``, which cannot trace the subclass's caches.

    Args:
        edge_index: ``[2, E]`` source and target of each edge, plain or ``EdgeIndex``.
        num_nodes: Number of nodes N.

    Returns:
        Pattern of an N x N matrix; ``pattern.in_order(weight)`` sorts edge weights to it.
    """
    if _has_caches(edge_index, num_nodes):
        (colptr, source), by_target = edge_index.get_csc()
        (rowptr, target), by_source = edge_index.get_csr()
        if by_target is None:  # sorted by target: the list is the CSR of this matrix
            return _compact(SparsePattern(colptr, source, rowptr, target, by_source, None))
        position = torch.empty_like(by_target)
        position[by_target] = torch.arange(by_target.numel(), device=by_target.device)
        return _compact(SparsePattern(colptr, source, rowptr, target, position, by_target))
    source, target = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
    perm = torch.argsort(target.long() * num_nodes + source, stable=True)  # int32 would overflow above 46,340 nodes
    row, col = target[perm], source[perm]
    transpose = torch.argsort(col, stable=True)
    row_t = row[transpose]
    pointers = _compress(row, num_nodes), _compress(col[transpose], num_nodes)
    return _compact(SparsePattern(pointers[0], col, pointers[1], row_t, transpose, perm))


def csr_product(rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    """The kernel of every sparse product: ``out[i] = sum of weight[e] x[col[e]] for e in rowptr[i]..rowptr[i + 1]``."""
    return F.embedding_bag(col, x, rowptr, per_sample_weights=weight.to(x.dtype), mode="sum", include_last_offset=True)


@torch.library.custom_op("graphml::spmm", mutates_args=())
def _spmm(
    rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, weight: Tensor, x: Tensor
) -> Tensor:
    return csr_product(rowptr, col, weight, x)


@_spmm.register_fake
def _(rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    return x.new_empty(rowptr.shape[0] - 1, x.shape[1])


def _setup(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
    rowptr, col, colptr, row, transpose, weight, x = ctx.saved_tensors
    grad_weight = grad_x = None
    if ctx.needs_input_grad[6]:
        back = torch.empty_like(transpose)
        back[transpose] = torch.arange(transpose.numel(), device=back.device, dtype=back.dtype)
        weight_t = weight.index_select(0, transpose)
        grad_x = torch.ops.graphml.spmm(colptr, row, rowptr, col, back, weight_t, grad.contiguous())
    if ctx.needs_input_grad[5]:
        pattern = SparsePattern(rowptr, col, colptr, row, transpose, None)
        grad_weight = (grad.index_select(0, pattern.target) * x.index_select(0, col)).sum(1).to(weight.dtype)
    return None, None, None, None, None, grad_weight, grad_x


_spmm.register_autograd(_backward, setup_context=_setup)


def spmm(pattern: SparsePattern, weight: Tensor, x: Tensor) -> Tensor:
    """Sparse product ``A x`` with ``A[row, col] = weight``, differentiable in ``weight`` and ``x``.

    Args:
        pattern: Positions of the entries of A, R x C.
        weight: ``[E]`` values in CSR order (``pattern.in_order(edge_weight)``).
        x: ``[C, F]`` dense matrix of float32, float64 or bfloat16.

    Returns:
        ``[R, F]`` dense matrix of ``x``'s type.
    """
    if x.dim() != 2:
        raise ValueError(f"x: expected a matrix [num_nodes, channels], got shape {tuple(x.shape)}")
    out: Tensor = torch.ops.graphml.spmm(*pattern[:5], weight, x)
    return out
