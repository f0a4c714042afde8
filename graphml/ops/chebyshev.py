"""The Chebyshev basis of a graph signal, computed once and shared by every filter."""

from collections.abc import Iterator

import torch
from torch import Tensor

from graphml.ops.csr import column_blocks, csr_product
from graphml.ops.sparse import SparsePattern, adjacency_pattern, edge_dot, spmm


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
    if torch.compiler.is_compiling():
        return torch.stack(_terms(pattern, shifted, x, order))
    out: Tensor = _Basis.apply(*pattern[:5], shifted, x, order)  # type: ignore[no-untyped-call]
    return out


def _terms(pattern: SparsePattern, shifted: Tensor, x: Tensor, order: int) -> list[Tensor]:
    """The basis term by term, of differentiable products."""
    terms = [x]
    if order > 0:
        terms.append(spmm(pattern, shifted, x))
    for _ in range(order - 1):
        terms.append(spmm(pattern, 2 * shifted, terms[-1]) - terms[-2])
    return terms


def basis_tangent(
    pattern: SparsePattern, shifted: Tensor, x: Tensor, order: int, x_tangent: Tensor | None, tangent: Tensor | None
) -> Tensor:
    """Derivative ``[K + 1, N, F]`` of the basis in the direction of a signal's and of the matrix's tangent."""
    out = [torch.zeros_like(x) if x_tangent is None else x_tangent]
    terms = _terms(pattern, shifted, x, order - 1) if tangent is not None else []
    for k in range(1, order + 1):
        step = spmm(pattern, shifted, out[-1])
        if tangent is not None:
            step = step + spmm(pattern, tangent, terms[k - 1])
        out.append(step if k == 1 else 2 * step - out[-2])
    return torch.stack(out)


class _Basis(torch.autograd.Function):
    """Each term is written once, into its place in the result."""

    @staticmethod
    def forward(rowptr, col, colptr, row, transpose, shifted, x, order):  # type: ignore[no-untyped-def]
        out = x.new_empty(order + 1, *x.shape)
        out[0] = x
        doubled = 2 * shifted
        for columns in column_blocks(x):
            terms = out[:, :, columns]
            if order > 0:
                csr_product(rowptr, col, shifted, terms[0], out=terms[1])
            for k in range(2, order + 1):
                csr_product(rowptr, col, doubled, terms[k - 1], minus=terms[k - 2], out=terms[k])
        return out

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        *pattern, shifted, x, order = inputs
        ctx.order = order
        # Only the gradient to the weights needs the basis.
        ctx.save_for_backward(*pattern, shifted, output if ctx.needs_input_grad[5] else None)
        ctx.save_for_forward(*pattern, shifted, x)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Clenshaw's recurrence on the transpose, of differentiable products."""
        *pattern, shifted, basis = ctx.saved_tensors
        forward = SparsePattern(*pattern, None)  # type: ignore[call-arg]
        backward, shifted_t = forward.transposed(), shifted.index_select(0, forward.transpose)
        grad_shifted, grad_x = torch.zeros_like(shifted), []
        for columns in column_blocks(grad[0]):
            for k, term in _clenshaw(backward, shifted_t, grad[:, :, columns]):
                if k > 0 and ctx.needs_input_grad[5]:
                    part = (1 if k == 1 else 2) * edge_dot(forward, term, basis[k - 1, :, columns])
                    grad_shifted = grad_shifted + part
            grad_x.append(term)
        return None, None, None, None, None, grad_shifted, torch.cat(grad_x, dim=1) if grad_x else grad[0], None

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        *pattern, shifted, x = ctx.saved_tensors
        return basis_tangent(SparsePattern(*pattern, None), shifted, x, ctx.order, tangents[6], tangents[5])  # type: ignore[call-arg]


def _clenshaw(pattern: SparsePattern, shifted: Tensor, grad: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield k and ``b_k = g_k + 2 M b_{k+1} - b_{k+2}`` for k = K..0; the last, with ``M b_1``, is the gradient."""
    last = grad.size(0) - 1
    after, now = None, grad[last]
    yield last, now
    doubled = 2 * shifted
    for k in range(last - 1, -1, -1):
        term = spmm(pattern, doubled if k > 0 else shifted, now).add_(grad[k])
        after, now = now, term if after is None else term.sub_(after)
        yield k, now
