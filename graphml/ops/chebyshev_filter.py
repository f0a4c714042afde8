"""One polynomial filter of a graph signal, without keeping its Chebyshev basis."""

import torch
from torch import Tensor

from graphml.ops.chebyshev import chebyshev_basis
from graphml.ops.sparse import SparsePattern, csr_product


def _recurrence(rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor, order: int):  # type: ignore[no-untyped-def]
    """Yield ``T_k(M) x`` for k = 0..order with ``M = -A``, two terms alive at a time."""
    before, now = x, csr_product(rowptr, col, -weight, x)
    yield before
    if order > 0:
        yield now
    doubled = -2 * weight
    for _ in range(order - 1):
        before, now = now, csr_product(rowptr, col, doubled, now).sub_(before)
        yield now


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
    out = torch.zeros_like(x)
    for c, term in zip(coefficients, _recurrence(rowptr, col, weight, x, coefficients.numel() - 1), strict=True):
        out.addcmul_(term, c)
    return out


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
    return torch.empty_like(x)


@torch.library.custom_op("graphml::chebyshev_filter_backward", mutates_args=())
def _filter_backward(
    colptr: Tensor, row: Tensor, weight: Tensor, x: Tensor, coefficients: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    # p(M)^T g needs the recurrence of M^T on g, and <g, T_k(M) x> = <T_k(M^T) g, x> comes with it.
    grad_x, grad_coefficients = torch.zeros_like(x), torch.empty_like(coefficients)
    for k, term in enumerate(_recurrence(colptr, row, weight, grad, coefficients.numel() - 1)):
        grad_x.addcmul_(term, coefficients[k])
        grad_coefficients[k] = torch.dot(term.flatten(), x.flatten())
    return grad_x, grad_coefficients


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
        coefficients: ``[K + 1]`` Chebyshev coefficients.

    Returns:
        ``[N, F]`` filtered signal.
    """
    if weight.requires_grad:
        basis = chebyshev_basis(x, pattern, weight, coefficients.numel() - 1)
        return (coefficients @ basis.flatten(1)).view_as(x)
    out: Tensor = torch.ops.graphml.chebyshev_filter(*pattern[:5], weight, x.contiguous(), coefficients)
    return out
