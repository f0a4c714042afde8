"""Integers of any width from 1 to 16 bits, end to end in bytes."""

import numpy as np
import torch
from torch import Tensor


def packed_size(count: int, bits: int) -> int:
    """Bytes that `pack` makes of ``count`` integers of ``bits`` bits each.

    Args:
        count: How many.
        bits: Width of each, 1 to 16.
    """
    return -(-count * bits // 8)


def pack(codes: Tensor, bits: int) -> Tensor:
    """Write integers bit after bit, the lowest of each first.

    Args:
        codes: Integers in [0, 2^bits), of any shape.
        bits: Width of each, 1 to 16.

    Returns:
        uint8 ``[ceil(N bits / 8)]``; the bits that are left over are 0.

    Raises:
        ValueError: If the width or an integer is out of range.
    """
    _check_width(bits)
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < 2**bits:
        got = f"got {int(codes.min())} to {int(codes.max())}"
        raise ValueError(f"codes: expected integers from 0 to {2**bits - 1}, {got}")
    raw = codes.reshape(-1, 1).to(torch.int32).numpy().astype("<u2").view(np.uint8)  # [N, 2]
    each = np.unpackbits(raw, axis=1, bitorder="little", count=bits)
    return torch.from_numpy(np.packbits(each, bitorder="little"))


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Read what `pack` wrote.

    Args:
        packed: uint8 ``[ceil(count bits / 8)]``.
        bits: Width of each integer, 1 to 16.
        count: Number of integers N.

    Returns:
        int32 ``[N]``.

    Raises:
        ValueError: If the width is out of range, or the number of bytes another.
    """
    _check_width(bits)
    if packed.shape != (packed_size(count, bits),):
        wanted = f"{packed_size(count, bits)} bytes for {count} integers of {bits} bits"
        raise ValueError(f"packed: expected {wanted}, got shape {list(packed.shape)}")
    raw = np.zeros((count, 2), dtype=np.uint8)
    each = np.unpackbits(packed.numpy(), count=count * bits, bitorder="little").reshape(count, bits)
    parts = np.packbits(each, axis=1, bitorder="little")
    raw[:, : parts.shape[1]] = parts
    return torch.from_numpy(raw.view("<u2").astype(np.int32)).view(-1)


def _check_width(bits: int) -> None:
    if not 1 <= bits <= 16:
        raise ValueError(f"bits: expected 1 to 16, got {bits}")
