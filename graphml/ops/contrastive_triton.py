"""Triton kernels of :mod:`graphml.ops.contrastive` for CUDA; imported only when they run, so that Triton is optional.

Each program owns a block of rows and walks over all columns, so nothing is added by two programs: no atomics, and runs
are bit-equal. The symmetry that the CPU version uses would need them. Sums are float32.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS, _COLS, _DEPTH = 64, 64, 32  # of a tile, and channels of one step of its product
_WIDEST = 128  # channels of a gradient that one program holds; wider ones are split among programs


@triton.jit  # type: ignore[untyped-decorator]
def _tile(z, rows, cols, size, width, scale, DEPTH: tl.constexpr, PRECISION: tl.constexpr):  # type: ignore[no-untyped-def]
    """Similarities of ``rows`` to ``cols``; a row with itself and columns past the end are ``-inf``."""
    tile = tl.zeros((rows.shape[0], cols.shape[0]), dtype=tl.float32)
    for start in range(0, width, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        left = tl.load(
            z + rows[:, None] * width + depth[None, :], (rows[:, None] < size) & (depth[None, :] < width), 0.0
        )
        right = tl.load(
            z + cols[None, :] * width + depth[:, None], (cols[None, :] < size) & (depth[:, None] < width), 0.0
        )
        tile = tl.dot(left, right, tile, input_precision=PRECISION)
    return tl.where((rows[:, None] == cols[None, :]) | (cols[None, :] >= size), float("-inf"), tile * scale)


@triton.jit  # type: ignore[untyped-decorator]
def _forward(  # type: ignore[no-untyped-def]
    z,
    out,
    size,
    width,
    scale,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    # int64: the offset rows * width passes 2^31 at 8 million rows of 256 channels.
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    top = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
    total = tl.zeros((ROWS,), dtype=tl.float32)
    for start in range(0, size, COLS):  # the first tile has another row than any row's own, so that top is finite
        cols = start + tl.arange(0, COLS).to(tl.int64)
        tile = _tile(z, rows, cols, size, width, scale, DEPTH, PRECISION)
        higher = tl.maximum(top, tl.max(tile, 1))
        total = total * tl.exp(top - higher) + tl.sum(tl.exp(tile - higher[:, None]), 1)
        top = higher
    tl.store(out + rows, top + tl.log(total), rows < size)


@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    z,
    lse,
    grad,
    out,
    size,
    width,
    scale,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    DEPTH: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channels = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    lse_row = tl.load(lse + rows, rows < size, 0.0).to(tl.float32)
    grad_row = tl.load(grad + rows, rows < size, 0.0).to(tl.float32)
    total = tl.zeros((ROWS, WIDTH), dtype=tl.float32)
    for start in range(0, size, COLS):
        cols = start + tl.arange(0, COLS).to(tl.int64)
        tile = _tile(z, rows, cols, size, width, scale, DEPTH, PRECISION)
        lse_col = tl.load(lse + cols, cols < size, 0.0).to(tl.float32)
        grad_col = tl.load(grad + cols, cols < size, 0.0).to(tl.float32)
        weight = tl.exp(tile - lse_row[:, None]) * grad_row[:, None]
        weight += tl.exp(tile - lse_col[None, :]) * grad_col[None, :]
        inside = (cols[:, None] < size) & (channels[None, :] < width)
        values = tl.load(z + cols[:, None] * width + channels[None, :], inside, 0.0)
        total = tl.dot(weight.to(values.dtype), values, total, input_precision=PRECISION)
    inside = (rows[:, None] < size) & (channels[None, :] < width)
    tl.store(out + rows[:, None] * width + channels[None, :], total * scale, inside)


def logsumexp(z: Tensor, tau: float) -> Tensor:
    """Log-sum-exp of each row's similarities to all other rows.

    Args:
        z: ``[N, d]`` rows of float32, bfloat16 or float16, N >= 2.
        tau: Temperature.

    Returns:
        ``[N]`` values of ``z``'s type.
    """
    z, out = z.contiguous(), z.new_empty(z.size(0))
    _forward[(triton.cdiv(z.size(0), _ROWS),)](
        z, out, *z.shape, 1 / tau, ROWS=_ROWS, COLS=_COLS, DEPTH=_DEPTH, PRECISION=_precision(z)
    )
    return out


def logsumexp_backward(z: Tensor, lse: Tensor, grad: Tensor, tau: float) -> Tensor:
    """Gradient of ``(grad * logsumexp(z, tau)).sum()``.

    Args:
        z: ``[N, d]`` rows.
        lse: ``[N]`` result of :func:`logsumexp`.
        grad: ``[N]`` gradient to it.
        tau: Temperature.

    Returns:
        ``[N, d]`` gradient of ``z``'s type.
    """
    z, out = z.contiguous(), torch.empty(z.shape, dtype=z.dtype, device=z.device)
    width = min(_WIDEST, max(16, triton.next_power_of_2(z.size(1))))  # 16 is the least that a product takes
    _backward[(triton.cdiv(z.size(0), _ROWS), triton.cdiv(z.size(1), width))](
        z,
        lse.contiguous(),
        grad.contiguous(),
        out,
        *z.shape,
        1 / tau,
        ROWS=_ROWS,
        COLS=_COLS,
        DEPTH=_DEPTH,
        WIDTH=width,
        PRECISION=_precision(z),
    )
    return out


def _precision(z: Tensor) -> str:
    """Three tf32 products stay near float32, on tensor cores; narrower types take one product whatever this says."""
    return "tf32x3" if z.dtype == torch.float32 else "tf32"
