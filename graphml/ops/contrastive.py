"""Row-wise log-sum-exp of pairwise similarities that never holds the similarity matrix."""

import torch
from torch import Tensor

# Rows times columns of one tile: 2^23 float32 are 32 MiB, two of them live at a time.
_TILE = 2**23


def _tiles(z: Tensor) -> range:
    rows = min(z.size(0), max(1, _TILE // z.size(0)))
    return range(0, z.size(0), rows)


def _similarities(z: Tensor, start: int, tau: float, buffer: Tensor) -> Tensor:
    """Similarities of the rows from ``start`` on to all rows, the row itself excluded as ``-inf``.

    Every tile is written to the same buffer: tiles that come and go make an allocator hold several times their size.
    """
    rows = z[start : start + buffer.size(0)]
    tile = torch.mm(rows, z.T, out=buffer[: rows.size(0)])
    tile.div_(tau)
    tile.diagonal(offset=start).fill_(float("-inf"))
    return tile


@torch.library.custom_op("graphml::contrastive_logsumexp", mutates_args=())
def _logsumexp(z: Tensor, tau: float) -> Tensor:
    out = z.new_empty(z.size(0))
    tiles = _tiles(z)
    buffer = z.new_empty(tiles.step, z.size(0))
    for start in tiles:
        tile = _similarities(z, start, tau, buffer)
        top = tile.amax(dim=1, keepdim=True)
        out[start : start + tiles.step] = tile.sub_(top).exp_().sum(1).log_() + top.squeeze(1)
    return out


@_logsumexp.register_fake
def _(z: Tensor, tau: float) -> Tensor:
    return z.new_empty(z.shape[0])


@torch.library.custom_op("graphml::contrastive_logsumexp_backward", mutates_args=())
def _logsumexp_backward(z: Tensor, lse: Tensor, grad: Tensor, tau: float) -> Tensor:
    # d/dz sum_i g_i lse_i = (diag(g) P + P^T diag(g)) z / tau with P_ij = exp(s_ij - lse_i); the similarity is
    # symmetric, so both terms come from one tile: exp(s_ij - lse_i) g_i + exp(s_ij - lse_j) g_j.
    out = torch.empty_like(z)
    tiles = _tiles(z)
    buffer, other = z.new_empty(2, tiles.step, z.size(0))
    for start in tiles:
        rows = slice(start, start + tiles.step)
        tile = _similarities(z, start, tau, buffer)
        weight = torch.sub(tile, lse[rows, None], out=other[: tile.size(0)]).exp_().mul_(grad[rows, None])
        weight.addcmul_(tile.sub_(lse).exp_(), grad)
        torch.mm(weight, z, out=out[rows])
    return out.div_(tau)


@_logsumexp_backward.register_fake
def _(z: Tensor, lse: Tensor, grad: Tensor, tau: float) -> Tensor:
    return torch.empty_like(z)


def _setup(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    z, ctx.tau = inputs
    ctx.save_for_backward(z, output)


def _backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
    z, lse = ctx.saved_tensors
    return torch.ops.graphml.contrastive_logsumexp_backward(z, lse, grad.contiguous(), ctx.tau), None


_logsumexp.register_autograd(_backward, setup_context=_setup)


def contrastive_logsumexp(z: Tensor, tau: float) -> Tensor:
    """``log sum_{j != i} exp(z_i . z_j / tau)`` for every row i, tile by tile, with its own backward pass.

    Memory beyond the result stays near 64 MiB whatever N is; the time is that of N^2 d operations.

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
    out: Tensor = torch.ops.graphml.contrastive_logsumexp(z, tau)
    return out
