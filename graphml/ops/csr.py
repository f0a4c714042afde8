"""The kernels under every sparse product: a CSR matrix times a dense one, and the gradient to its values.

One kernel a device, whatever the width. On the CPU it is ``embedding_bag`` with per-sample weights; ratios of its time
to that of the others (Cora's, PubMed's, Physics' size, one core, medians):

=======  ====================================  ==================  ============================
float32  ``torch.sparse.mm(A, x, 'sum')``      MKL's ``A @ x``     numba, four edges at a time
=======  ====================================  ==================  ============================
F 1      0.70, 0.60, 0.50                      1.15, 1.00, 1.19    0.85, 0.72, 0.66
F 8      0.75, 0.54, 0.41                      1.49, 0.75, 1.18    0.60, 0.69, 0.53
F 64     0.63, 0.52, 0.56                      0.55, 0.54, 0.58    0.57, 0.82, 0.83
F 128    0.53, 0.33, 0.56                      0.48, 0.30, 0.66    0.86-1.10, 1.23, 0.87-0.98
F 512    0.40, 0.83, 0.81                      0.29, 0.57, 0.84    1.15, 0.88-0.97, 1.05
=======  ====================================  ==================  ============================

In float64 no other one wins at all widths either (``torch.sparse.mm``: 0.7 to 1.6). On a GPU a Triton kernel, where
Triton is installed.
"""

import functools
import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor

# A wide signal is filtered in blocks of columns: buffers of a step stay in cache, and no allocator hands them back to
# the system between steps. PubMed's size, degree 10, 512 channels: 2.2 times faster than all columns at once.
_COLUMNS = 64


def csr_product(
    rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor, minus: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """``out[i] = sum of weight[e] x[col[e]] for e in rowptr[i]..rowptr[i + 1]``, less ``minus[i]`` in the same pass.

    Args:
        rowptr: ``[R + 1]`` pointers into ``col``.
        col: ``[E]`` column of each entry.
        weight: ``[E]`` values.
        x: ``[C, F]`` dense matrix.
        minus: ``[R, F]`` what to subtract.
        out: ``[R, F]`` where to write; default: a new tensor.

    Returns:
        ``[R, F]`` the product, no derivative recorded.
    """
    if x.is_cuda and _has_triton():
        from graphml.ops.sparse_triton import triton_csr_product

        return triton_csr_product(rowptr, col, weight, x, minus, out)
    weight = weight.to(x.dtype)
    product = F.embedding_bag(col, x, rowptr, per_sample_weights=weight, mode="sum", include_last_offset=True)
    if minus is not None:
        return torch.sub(product, minus, out=product if out is None else out)
    return product if out is None else out.copy_(product)


def csr_dot(rowptr: Tensor, col: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``out[e] = <left[i], right[col[e]]>`` for each entry e of row i, without a buffer of E x F.

    Args:
        rowptr: ``[R + 1]`` pointers into ``col``.
        col: ``[E]`` column of each entry.
        left: ``[R, F]`` dense matrix.
        right: ``[C, F]`` dense matrix.

    Returns:
        ``[E]`` inner products of their type, no derivative recorded.
    """
    rows = torch.arange(left.size(0), device=col.device, dtype=col.dtype)
    target = torch.repeat_interleave(rows, rowptr.diff(), output_size=col.numel())
    # The kernel that embedding_bag's own backward pass calls for its per-sample weights: one dot an edge.
    out: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        left.contiguous(), right.contiguous(), col, rowptr, target, 0
    )
    return out


def column_blocks(x: Tensor) -> list[slice]:
    """Ranges of columns of a signal ``[N, F]`` to be filtered one after the other; all at once on a GPU."""
    width = x.size(1) if x.is_cuda else _COLUMNS
    return [slice(start, start + width) for start in range(0, x.size(1), max(1, width))]


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
