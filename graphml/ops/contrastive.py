"""Row-wise log-sum-exp of pairwise similarities that never holds the similarity matrix.

The similarity is symmetric, so only tiles on and above the diagonal are computed: each serves its rows and, read the
other way, its columns. On CUDA a Triton kernel takes over (:mod:`graphml.ops.contrastive_triton`).
"""

import importlib.util
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from graphml.ops.forward_mode import use_custom_op

# Rows and columns of a tile. CPU: 512^2 float32 are 1 MiB, so that the passes over a tile stay in the second-level
# cache; 10,000 rows of 256 channels, forward and backward, take 702 ms of CPU time with 512, 728 with 256, 720 with
# 724, and 3,539 ms by the dense formula. A GPU needs larger tiles to be busy.
_TILE = {"cpu": 512, "cuda": 2048}


def _takes_triton(z: Tensor) -> bool:
    """Whether the kernels take these rows: the tiles below serve double precision and a torch without Triton."""
    return z.is_cuda and z.dtype != torch.float64 and importlib.util.find_spec("triton") is not None


def _blocks(z: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each tile on and above the diagonal."""
    step, size = _TILE.get(z.device.type, 512), z.size(0)
    for start in range(0, size, step):
        rows = slice(start, min(start + step, size))
        for other in range(start, size, step):
            yield rows, slice(other, min(other + step, size))


def _buffer(z: Tensor) -> Tensor:
    side = min(_TILE.get(z.device.type, 512), z.size(0))
    return z.new_empty(side * side)


def _similarities(z: Tensor, rows: slice, cols: slice, tau: float, buffer: Tensor) -> Tensor:
    """Similarities of ``rows`` to ``cols``, those of a row with itself excluded as ``-inf``.

    Every tile is written to the same buffer: tiles that come and go make an allocator hold several times their size.
    """
    shape = rows.stop - rows.start, cols.stop - cols.start
    tile = buffer[: shape[0] * shape[1]].view(shape)
    torch.addmm(tile, z[rows], z[cols].T, beta=0, alpha=1 / tau, out=tile)
    return tile.fill_diagonal_(float("-inf")) if rows == cols else tile


@torch.library.custom_op("graphml::contrastive_logsumexp", mutates_args=())
def _logsumexp(z: Tensor, tau: float) -> Tensor:
    if _takes_triton(z):
        from graphml.ops import contrastive_triton

        return contrastive_triton.logsumexp(z, tau)
    out, buffer = z.new_full((z.size(0),), float("-inf")), _buffer(z)
    for rows, cols in _blocks(z):
        tile = _similarities(z, rows, cols, tau, buffer)
        out[rows] = torch.logaddexp(out[rows], tile.logsumexp(1))
        if rows != cols:
            out[cols] = torch.logaddexp(out[cols], tile.logsumexp(0))
    return out


@_logsumexp.register_fake
def _(z: Tensor, tau: float) -> Tensor:
    return z.new_empty(z.shape[0])


@torch.library.custom_op("graphml::contrastive_logsumexp_backward", mutates_args=())
def _logsumexp_backward(z: Tensor, lse: Tensor, grad: Tensor, tau: float) -> Tensor:
    # d/dz sum_i g_i lse_i = (diag(g) P + P^T diag(g)) z / tau with P_ij = exp(s_ij - lse_i); the similarity is
    # symmetric, so both terms come from one tile: exp(s_ij - lse_i) g_i + exp(s_ij - lse_j) g_j, symmetric itself.
    if _takes_triton(z):
        from graphml.ops import contrastive_triton

        return contrastive_triton.logsumexp_backward(z, lse, grad, tau)
    out, buffer, other = torch.zeros_like(z), _buffer(z), _buffer(z)
    for rows, cols in _blocks(z):
        tile = _similarities(z, rows, cols, tau, buffer)
        weight = other[: tile.numel()].view_as(tile)
        torch.sub(tile, lse[rows, None], out=weight).exp_().mul_(grad[rows, None])
        weight.addcmul_(tile.sub_(lse[cols]).exp_(), grad[cols])
        out[rows].addmm_(weight, z[cols])
        if rows != cols:
            out[cols].addmm_(weight.T, z[rows])
    return out.div_(tau)


@_logsumexp_backward.register_fake
def _(z: Tensor, lse: Tensor, grad: Tensor, tau: float) -> Tensor:
    return torch.empty_like(z)


def _tangent(z: Tensor, lse: Tensor, direction: Tensor, tau: float) -> Tensor:
    """Directional derivative ``sum_j P_ij ds_ij`` with ``ds_ij = (dz_i . z_j + z_i . dz_j) / tau``, symmetric too."""
    out, buffer, other = torch.zeros_like(lse), _buffer(z), _buffer(z)
    for rows, cols in _blocks(z):
        tile = _similarities(z, rows, cols, tau, buffer)
        change = other[: tile.numel()].view_as(tile)
        torch.addmm(change, direction[rows], z[cols].T, beta=0, alpha=1 / tau, out=change)
        change.addmm_(z[rows], direction[cols].T, alpha=1 / tau)
        out[rows] += (torch.exp(tile - lse[rows, None]) * change).sum(1)
        if rows != cols:
            out[cols] += tile.sub_(lse[cols]).exp_().mul_(change).sum(0)
    return out


def _setup(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
    z, ctx.tau = inputs
    ctx.save_for_backward(z, output)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    z, lse = ctx.saved_tensors
    return torch.ops.graphml.contrastive_logsumexp_backward(z, lse, grad.contiguous(), ctx.tau), None


_logsumexp.register_autograd(_backward, setup_context=_setup)


class _LogSumExp(torch.autograd.Function):
    """The operator outside of ``torch.compile``: a custom op cannot register a forward-mode derivative."""

    @staticmethod
    def forward(z: Tensor, tau: float) -> Tensor:
        out: Tensor = torch.ops.graphml.contrastive_logsumexp(z, tau)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        _setup(ctx, inputs, output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _backward(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, direction: Tensor, _: None) -> Tensor:
        z, lse = ctx.saved_tensors
        return _tangent(z, lse, direction, ctx.tau)


def contrastive_logsumexp(z: Tensor, tau: float) -> Tensor:
    """``log sum_{j != i} exp(z_i . z_j / tau)`` for every row i, tile by tile, with its own derivatives.

    Memory beyond the result stays under 5 MB on CPU whatever N is; the time is that of N^2 d operations. Forward-mode
    derivatives (``torch.func.jvp``) are there outside of ``torch.compile``; there is no second derivative.

    Args:
        z: ``[N, d]`` rows, of unit length when the similarity is the cosine. N >= 2.
        tau: Temperature, > 0.

    Returns:
        ``[N]`` log-sum-exp of each row, the row's similarity with itself excluded.
    """
    if not tau > 0:  # NaN too
        raise ValueError(f"tau: expected a temperature > 0, got {tau}")
    if z.dim() != 2 or z.size(0) < 2:
        raise ValueError(f"z: expected at least two rows [N, d], got shape {tuple(z.shape)}")
    operator = torch.ops.graphml.contrastive_logsumexp if use_custom_op() else _LogSumExp.apply
    out: Tensor = operator(z, tau)  # type: ignore[no-untyped-call]
    return out
