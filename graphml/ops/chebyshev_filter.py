"""One polynomial filter of a graph signal, without keeping its Chebyshev basis."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from graphml.ops.chebyshev import basis_tangent, chebyshev_basis
from graphml.ops.csr import column_blocks, csr_product
from graphml.ops.forward_mode import refuse_forward_mode
from graphml.ops.sparse import SparsePattern


def _recurrence(rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor, order: int) -> Iterator[Tensor]:
    """Yield ``T_k(M) x`` for k = 0..order with ``M = -A``, three terms alive at a time."""
    before, now = x, x
    yield x
    if order > 0:
        now = csr_product(rowptr, col, -weight, x)
        yield now
    doubled = -2 * weight
    for _ in range(order - 1):
        before, now = now, csr_product(rowptr, col, doubled, now, minus=before)
        yield now


def _filtered(rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor, coefficients: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for columns in column_blocks(x):
        terms = _recurrence(rowptr, col, weight, x[:, columns].contiguous(), len(coefficients) - 1)
        for c, term in zip(coefficients, terms, strict=True):
            out[:, columns].addcmul_(term, c)
    return out


def _gradients(
    colptr: Tensor, row: Tensor, weight: Tensor, x: Tensor, coefficients: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    # p(M)^T g needs the recurrence of M^T on g, and <g, T_k(M) x> = <T_k(M^T) g, x> comes with it.
    grad_x, grad_coefficients = torch.zeros_like(x), torch.zeros_like(coefficients)
    for columns in column_blocks(x):
        signal = x[:, columns].contiguous()
        terms = _recurrence(colptr, row, weight, grad[:, columns].contiguous(), len(coefficients) - 1)
        for k, term in enumerate(terms):
            grad_x[:, columns].addcmul_(term, coefficients[k])
            grad_coefficients[k] += _dots(term, signal, coefficients[k])
    return grad_x, grad_coefficients


def _dots(term: Tensor, signal: Tensor, like: Tensor) -> Tensor:
    """Inner product of two signals, or ``[N, 1]`` those of their rows."""
    return torch.dot(term.flatten(), signal.flatten()) if like.dim() == 0 else (term * signal).sum(1, keepdim=True)


def _combined(coefficients: Tensor, basis: Tensor) -> Tensor:
    """``[N, F]`` sum of a basis ``[K + 1, N, F]`` with one coefficient a term, or one a term and a node."""
    if coefficients.dim() > 1:
        return (coefficients * basis).sum(0)
    return (coefficients @ basis.flatten(1)).view_as(basis[0])


class _Filter(torch.autograd.Function):
    """The filter outside of torch.compile, differentiable once backward and any number of times forward."""

    @staticmethod
    def forward(rowptr, col, colptr, row, transpose, weight, x, coefficients):  # type: ignore[no-untyped-def]
        return _filtered(rowptr, col, weight, x, coefficients)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        _, _, colptr, row, transpose, weight, x, coefficients = ctx.saved_tensors
        weight_t = weight.index_select(0, transpose)
        grads = _FilterGradients.apply(colptr, row, weight_t, x, coefficients, grad.contiguous())  # type: ignore[no-untyped-call]
        return None, None, None, None, None, None, *grads

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        *indices, weight, x, coefficients = ctx.saved_tensors
        weight_tangent, x_tangent, coefficients_tangent = tangents[5:]
        out = torch.zeros_like(x)
        if x_tangent is not None:
            out = out + _Filter.apply(*indices, weight, x_tangent, coefficients)  # type: ignore[no-untyped-call]
        if coefficients_tangent is not None:
            out = out + _Filter.apply(*indices, weight, x, coefficients_tangent)  # type: ignore[no-untyped-call]
        if weight_tangent is not None:
            order, pattern = len(coefficients) - 1, SparsePattern(*indices, None)  # type: ignore[call-arg]
            basis = basis_tangent(pattern, -weight, x, order, None, -weight_tangent)
            out = out + _combined(coefficients, basis)
        return out


class _FilterGradients(torch.autograd.Function):
    """The backward pass, whose own derivatives are refused by autograd: they would need the basis."""

    @staticmethod
    def forward(ctx, *args):  # type: ignore[no-untyped-def]
        return _gradients(*args)


@torch.library.custom_op("graphml::chebyshev_filter", mutates_args=())
def _filter(
    rowptr: Tensor,
    col: Tensor,
    colptr: Tensor,
    row: Tensor,
    transpose: Tensor,
    weight: Tensor,
    x: Tensor,
    coefficients: Tensor,
) -> Tensor:
    refuse_forward_mode()
    return _filtered(rowptr, col, weight, x, coefficients)


@_filter.register_fake
def _(
    rowptr: Tensor,
    col: Tensor,
    colptr: Tensor,
    row: Tensor,
    transpose: Tensor,
    weight: Tensor,
    x: Tensor,
    coefficients: Tensor,
) -> Tensor:
    refuse_forward_mode()
    return torch.empty_like(x)


@torch.library.custom_op("graphml::chebyshev_filter_backward", mutates_args=())
def _filter_backward(
    colptr: Tensor, row: Tensor, weight: Tensor, x: Tensor, coefficients: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    return _gradients(colptr, row, weight, x, coefficients, grad)


@_filter_backward.register_fake
def _(
    colptr: Tensor, row: Tensor, weight: Tensor, x: Tensor, coefficients: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(coefficients)


def _setup(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[2:4], *inputs[4:])


def _backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
    colptr, row, transpose, weight, x, coefficients = ctx.saved_tensors
    grads = torch.ops.graphml.chebyshev_filter_backward(
        colptr, row, weight.index_select(0, transpose), x, coefficients, grad.contiguous()
    )
    return None, None, None, None, None, None, *grads


_filter.register_autograd(_backward, setup_context=_setup)


def chebyshev_filter(x: Tensor, pattern: SparsePattern, weight: Tensor, coefficients: Tensor) -> Tensor:
    """``sum_k c_k T_k(M) x`` with ``M = L - I = -A_hat``, differentiable in ``x`` and in the coefficients.

    The same as a combination of :func:`chebyshev_basis`, in O(N F) memory whatever the degree: the backward pass runs
    the recurrence on the gradient instead of keeping the basis. Weights that need a gradient take the basis's way.

    Args:
        x: ``[N, F]`` graph signal.
        pattern: Pattern of the adjacency matrix.
        weight: ``[E]`` symmetrically normalised weights in CSR order.
        coefficients: ``[K + 1]`` Chebyshev coefficients; or ``[K + 1, N, 1]``, those of each node, the same for all
            nodes that are connected (graphs side by side, each with a polynomial of its own). Of their gradient the
            sums over connected nodes alone mean anything.

    Returns:
        ``[N, F]`` filtered signal.
    """
    if weight.requires_grad:
        return _combined(coefficients, chebyshev_basis(x, pattern, weight, len(coefficients) - 1))
    apply: Callable[..., Tensor] = (
        torch.ops.graphml.chebyshev_filter if torch.compiler.is_compiling() else _Filter.apply
    )
    return apply(*pattern[:5], weight, x.contiguous(), coefficients)
