"""The CSR product on a GPU: rows split over programs, hub rows over chunks of entries; no atomics, so no run differs.

A program holds one row and one block of columns. A row of more than ``CHUNK`` entries would keep its program busy long
after the others end, so a first pass sums the entries of such rows chunk by chunk, and the row's own program adds the
sums up in order. Chunks are cut from the list of all entries, whatever row they are of: their number is known without
asking the device. A chunk touches two such rows at most, the end of one and the start of the next: two sums a chunk.

Import this module only where Triton is installed.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 512


@triton.jit
def _entries(
    start, end, col_ptr, weight_ptr, x_ptr, x_stride, columns, inside, ENTRIES: tl.constexpr, BLOCK: tl.constexpr
):
    """Sum of weight times row of x over entries start..end, several entries at a time."""
    wide = tl.float64 if x_ptr.dtype.element_ty == tl.float64 else tl.float32
    total = tl.zeros([ENTRIES, BLOCK], dtype=wide)
    first = start
    while first < end:  # Triton 3.6's interpreter takes no tensor as the bound of a range under numpy >= 2.4
        entry = first + tl.arange(0, ENTRIES)
        valid = entry < end
        source = tl.load(col_ptr + entry, mask=valid, other=0).to(tl.int64)
        weight = tl.load(weight_ptr + entry, mask=valid, other=0).to(wide)
        where = x_ptr + source[:, None] * x_stride + columns[None, :]
        rows = tl.load(where, mask=valid[:, None] & inside[None, :], other=0).to(wide)
        total += weight[:, None] * rows
        first += ENTRIES
    return tl.sum(total, axis=0)


@triton.jit
def _row_of(entry, rowptr_ptr, num_rows):
    """The row that holds an entry, by bisection of the pointers."""
    low = tl.full([], 0, tl.int64)
    high = low + num_rows
    while high - low > 1:
        middle = (low + high) // 2
        if tl.load(rowptr_ptr + middle) <= entry:
            low = middle
        else:
            high = middle
    return low


@triton.jit
def _hub_chunks(
    rowptr_ptr,
    col_ptr,
    weight_ptr,
    x_ptr,
    x_stride,
    sums_ptr,
    num_rows,
    num_entries,
    width,
    CHUNK: tl.constexpr,
    ENTRIES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sums ``[chunk, 2, width]`` over the part of a hub row in each chunk: of its first entry's row, of its last's."""
    chunk = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    side = tl.program_id(2)
    begin = chunk * CHUNK
    stop = tl.minimum(begin + CHUNK, num_entries)
    row = _row_of(tl.where(side == 0, begin, stop - 1), rowptr_ptr, num_rows)
    start = tl.load(rowptr_ptr + row).to(tl.int64)
    end = tl.load(rowptr_ptr + row + 1).to(tl.int64)
    # A hub that starts in this chunk is its second; one that was there before, or starts with it, is its first.
    if (end - start > CHUNK) & ((start > begin) == (side == 1)):
        lower = tl.maximum(start, begin)
        upper = tl.minimum(end, stop)
        total = _entries(lower, upper, col_ptr, weight_ptr, x_ptr, x_stride, columns, inside, ENTRIES, BLOCK)
        tl.store(sums_ptr + (chunk * 2 + side) * width + columns, total, mask=inside)


@triton.jit
def _rows(
    rowptr_ptr,
    col_ptr,
    weight_ptr,
    x_ptr,
    x_stride,
    sums_ptr,
    minus_ptr,
    minus_stride,
    out_ptr,
    out_stride,
    width,
    HAS_MINUS: tl.constexpr,
    CHUNK: tl.constexpr,
    ENTRIES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One row of the result: from its entries, or from its chunks' sums; what is subtracted comes last."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    start = tl.load(rowptr_ptr + row).to(tl.int64)
    end = tl.load(rowptr_ptr + row + 1).to(tl.int64)
    if end - start <= CHUNK:
        total = _entries(start, end, col_ptr, weight_ptr, x_ptr, x_stride, columns, inside, ENTRIES, BLOCK)
    else:
        total = tl.zeros([BLOCK], dtype=sums_ptr.dtype.element_ty)
        chunk = start // CHUNK
        while chunk * CHUNK < end:
            part = chunk * 2 + tl.where(start > chunk * CHUNK, 1, 0)
            total += tl.load(sums_ptr + part * width + columns, mask=inside, other=0)
            chunk += 1
    if HAS_MINUS:
        total -= tl.load(minus_ptr + row * minus_stride + columns, mask=inside, other=0).to(total.dtype)
    tl.store(out_ptr + row * out_stride + columns, total.to(out_ptr.dtype.element_ty), mask=inside)


def triton_csr_product(
    rowptr: Tensor, col: Tensor, weight: Tensor, x: Tensor, minus: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """The product of :func:`graphml.ops.csr.csr_product`, summed in float32 or, for float64, in float64.

    Args:
        rowptr: ``[R + 1]`` pointers into ``col``, int32 or int64.
        col: ``[E]`` column of each entry, int32 or int64.
        weight: ``[E]`` floating values.
        x: ``[C, F]`` dense matrix.
        minus: ``[R, F]`` what to subtract.
        out: ``[R, F]`` where to write; default: a new tensor.

    Returns:
        ``[R, F]`` the product in the type of ``x``.
    """
    num_rows, width = rowptr.numel() - 1, x.size(1)
    out = x.new_empty(num_rows, width) if out is None else out
    if out.numel() == 0:
        return out
    x, weight = _rows_contiguous(x), weight.contiguous()
    minus = None if minus is None else _rows_contiguous(minus)
    block = min(128, triton.next_power_of_2(width))
    sizes = {"CHUNK": CHUNK, "ENTRIES": min(32, 1024 // block), "BLOCK": block}
    chunks, blocks = triton.cdiv(col.numel(), CHUNK), triton.cdiv(width, block)
    sums = x.new_empty(chunks * 2, width, dtype=torch.promote_types(x.dtype, torch.float32))
    matrix = (rowptr, col, weight, x, x.stride(0), sums)
    if chunks > 1:  # one chunk holds no hub
        _hub_chunks[(chunks, blocks, 2)](*matrix, num_rows, col.numel(), width, **sizes)
    subtract = (out, 0) if minus is None else (minus, minus.stride(0))
    _rows[(num_rows, blocks)](*matrix, *subtract, out, out.stride(0), width, minus is not None, **sizes)
    return out


def _rows_contiguous(x: Tensor) -> Tensor:
    return x if x.stride(1) == 1 else x.contiguous()
