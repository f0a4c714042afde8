"""Sparse product with a fixed pattern and varying values: ``out = A(weight) @ x``.

The pattern holds both compressed forms, so that the backward pass is the same product on the cached transpose: no
scatter, no atomics, no buffer of E x F. Two paths share the kernels and the formulas of their derivatives: an eager
``autograd.Function``, which knows forward mode, and an operator of torch.library under torch.compile.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from graphml.ops.csr import csr_dot, csr_product
from graphml.ops.forward_mode import refuse_forward_mode


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

    def transposed(self) -> "SparsePattern":
        """Pattern of the transpose; its values are those of this one at ``transpose``."""
        return SparsePattern(self.colptr, self.row, self.rowptr, self.col, _inverse(self.transpose), None)


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
    return matrix_pattern(target, source, num_nodes, num_nodes)


def matrix_pattern(row: Tensor, col: Tensor, num_rows: int, num_cols: int) -> SparsePattern:
    """Pattern of a rectangular matrix from the positions of its entries in any order.

    Args:
        row: ``[E]`` row of each entry.
        col: ``[E]`` column of each entry.
        num_rows: Number of rows.
        num_cols: Number of columns.

    Returns:
        The pattern; ``pattern.in_order(values)`` sorts the entries' values to it.
    """
    perm = torch.argsort(row.long() * num_cols + col, stable=True)  # int32 would overflow above 46,340 nodes
    row, col = row[perm], col[perm]
    transpose = torch.argsort(col, stable=True)
    row_t = row[transpose]
    pointers = _compress(row, num_rows), _compress(col[transpose], num_cols)
    return _compact(SparsePattern(pointers[0], col, pointers[1], row_t, transpose, perm))


_Op = Callable[..., Tensor]
_Tensors = Sequence[Tensor]
_Gradients = tuple[Tensor | None, ...]


def _product_gradients(product: _Op, dot: _Op, saved: _Tensors, grad: Tensor, needs: Sequence[bool]) -> _Gradients:
    """Gradients to values and signal, by the product and the dot of the caller's path."""
    rowptr, col, colptr, row, transpose, weight, x = saved
    grad_weight = grad_x = None
    if needs[6]:
        back = _inverse(transpose) if torch.is_grad_enabled() else transpose  # for second derivatives alone
        grad_x = product(colptr, row, rowptr, col, back, weight.index_select(0, transpose), grad.contiguous())
    if needs[5]:
        grad_weight = dot(rowptr, col, colptr, row, transpose, grad, x).to(weight.dtype)
    return None, None, None, None, None, grad_weight, grad_x


def _dot_gradients(product: _Op, saved: _Tensors, grad: Tensor, needs: Sequence[bool]) -> _Gradients:
    """Gradients of ``<left[i], right[j]>`` per entry: the products with A and its transpose that hold ``grad``."""
    rowptr, col, colptr, row, transpose, left, right = saved
    grad_left = product(rowptr, col, colptr, row, transpose, grad, right) if needs[5] else None
    grad_right = None
    if needs[6]:
        grad_right = product(colptr, row, rowptr, col, _inverse(transpose), grad.index_select(0, transpose), left)
    return None, None, None, None, None, grad_left, grad_right


def _inverse(permutation: Tensor) -> Tensor:
    out = torch.empty_like(permutation)
    out[permutation] = torch.arange(permutation.numel(), device=out.device, dtype=out.dtype)
    return out


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)
    ctx.save_for_forward(*inputs)


def _bilinear_tangent(function: _Op, saved: _Tensors, tangents: _Gradients) -> Tensor:
    """Tangent of a function of a pattern that is linear in each of its last two arguments."""
    *pattern, first, second = saved
    first_tangent, second_tangent = tangents[5:]
    parts = [function(*pattern, first_tangent, second)] if first_tangent is not None else []
    parts += [function(*pattern, first, second_tangent)] if second_tangent is not None else []
    return parts[0] + parts[1] if len(parts) > 1 else parts[0]


class _Product(torch.autograd.Function):
    """The product outside of torch.compile, differentiable in both modes, any number of times."""

    setup_context = staticmethod(_save)

    @staticmethod
    def forward(rowptr, col, colptr, row, transpose, weight, x):  # type: ignore[no-untyped-def]
        return csr_product(rowptr, col, weight, x)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return _product_gradients(_Product.apply, _Dot.apply, ctx.saved_tensors, grad, ctx.needs_input_grad)

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        return _bilinear_tangent(_Product.apply, ctx.saved_tensors, tangents)


class _Dot(torch.autograd.Function):
    """Inner products of rows at the pattern's entries: the product's gradient to its values."""

    setup_context = staticmethod(_save)

    @staticmethod
    def forward(rowptr, col, colptr, row, transpose, left, right):  # type: ignore[no-untyped-def]
        return csr_dot(rowptr, col, left, right)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return _dot_gradients(_Product.apply, ctx.saved_tensors, grad, ctx.needs_input_grad)

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        return _bilinear_tangent(_Dot.apply, ctx.saved_tensors, tangents)


@torch.library.custom_op("graphml::spmm", mutates_args=())
def _spmm(
    rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, weight: Tensor, x: Tensor
) -> Tensor:
    refuse_forward_mode()
    return csr_product(rowptr, col, weight, x)


@_spmm.register_fake
def _(rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    refuse_forward_mode()
    return x.new_empty(rowptr.shape[0] - 1, x.shape[1])


@torch.library.custom_op("graphml::csr_dot", mutates_args=())
def _csr_dot(
    rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, left: Tensor, right: Tensor
) -> Tensor:
    refuse_forward_mode()
    return csr_dot(rowptr, col, left, right)


@_csr_dot.register_fake
def _(
    rowptr: Tensor, col: Tensor, colptr: Tensor, row: Tensor, transpose: Tensor, left: Tensor, right: Tensor
) -> Tensor:
    refuse_forward_mode()
    return left.new_empty(col.shape[0])


def _backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
    product, dot = torch.ops.graphml.spmm, torch.ops.graphml.csr_dot
    return _product_gradients(product, dot, ctx.saved_tensors, grad, ctx.needs_input_grad)


def _dot_backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
    return _dot_gradients(torch.ops.graphml.spmm, ctx.saved_tensors, grad, ctx.needs_input_grad)


_spmm.register_autograd(_backward, setup_context=_save)
_csr_dot.register_autograd(_dot_backward, setup_context=_save)


def spmm(pattern: SparsePattern, weight: Tensor, x: Tensor) -> Tensor:
    """Sparse product ``A x`` with ``A[row, col] = weight``, differentiable in ``weight`` and ``x``.

    Forward-mode differentiation works outside of torch.compile and is refused inside.

    Args:
        pattern: Positions of the entries of A, R x C.
        weight: ``[E]`` values in CSR order (``pattern.in_order(edge_weight)``).
        x: ``[C, F]`` dense matrix of float32, float64 or bfloat16.

    Returns:
        ``[R, F]`` dense matrix of ``x``'s type.
    """
    if x.dim() != 2:
        raise ValueError(f"x: expected a matrix [num_nodes, channels], got shape {tuple(x.shape)}")
    product: _Op = torch.ops.graphml.spmm if torch.compiler.is_compiling() else _Product.apply
    return product(*pattern[:5], weight, x)


def edge_dot(pattern: SparsePattern, left: Tensor, right: Tensor) -> Tensor:
    """``[E]`` inner products ``<left[i], right[j]>`` at the pattern's entries (i, j), differentiable, for eager code.

    Args:
        pattern: Positions of the entries of a matrix R x C.
        left: ``[R, F]`` dense matrix.
        right: ``[C, F]`` dense matrix.

    Returns:
        ``[E]`` inner products in CSR order.
    """
    out: Tensor = _Dot.apply(*pattern[:5], left, right)  # type: ignore[no-untyped-call]
    return out
