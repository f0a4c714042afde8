"""Shamir's secret sharing: any t of n shares give the secret, and fewer tell nothing."""

import secrets
from collections.abc import Mapping

PRIME = 2**256 + 297  # the smallest above all secrets of 32 bytes
SECRET_BYTES = 32
SHARE_BYTES = 33


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """Deal a secret (Shamir, "How to share a secret", CACM 1979).

    Share number i is the value at i of a polynomial of degree ``threshold - 1`` over the integers modulo `PRIME`, whose
    value at 0 is the secret and whose other coefficients are drawn by the operating system.

    Args:
        secret: 32 bytes.
        threshold: How many shares give the secret, at least 1.
        count: How many shares there are, at least the threshold.

    Returns:
        Shares number 1 to ``count``, of 33 bytes.

    Raises:
        ValueError: If a number is out of range or the secret of another length.
    """
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"secret: expected {SECRET_BYTES} bytes, got {len(secret)}")
    if not 1 <= threshold <= count:
        raise ValueError(f"threshold: expected 1 to {count}, the number of shares, got {threshold}")
    coefficients = [secrets.randbelow(PRIME) for _ in range(threshold - 1)] + [int.from_bytes(secret, "big")]
    return [_value(coefficients, number).to_bytes(SHARE_BYTES, "big") for number in range(1, count + 1)]


def join(shares: Mapping[int, bytes]) -> bytes:
    """Find the secret by Lagrange's interpolation at 0.

    Args:
        shares: As many shares as the threshold or more, by their numbers from 1. With fewer, or wrong ones, what comes
            out is anything.

    Returns:
        The secret, 32 bytes.

    Raises:
        ValueError: If the shares are those of no secret of 32 bytes.
    """
    total = 0
    for number, share in shares.items():
        over = under = 1
        for other in shares:
            if other != number:
                over, under = over * other % PRIME, under * (other - number) % PRIME
        total += int.from_bytes(share, "big") * over * pow(under, -1, PRIME)
    secret = total % PRIME
    if secret >= 2 ** (8 * SECRET_BYTES):
        raise ValueError("shares: expected those of one secret of 32 bytes, got others")
    return secret.to_bytes(SECRET_BYTES, "big")


def _value(coefficients: list[int], place: int) -> int:
    """Horner's rule, the highest coefficient first."""
    out = 0
    for coefficient in coefficients:
        out = (out * place + coefficient) % PRIME
    return out
