"""Weights as integers modulo 2^32 or 2^64, whose sums are exact."""

import math

import numpy as np
import torch
from torch import Tensor

RINGS: dict[int, tuple[type[np.unsignedinteger], torch.dtype]] = {
    32: (np.uint32, torch.int32),
    64: (np.uint64, torch.int64),
}
"""By the number of bits: the type that wraps around, and the type that is sent."""


class FixedPoint:
    r"""Encodes vectors so that the sum of the codes is the code of a weighted average.

    A client with n examples encodes :math:`\mathrm{round}(n \mathbf{w} c) \bmod 2^b` and, as a last coordinate, n. The
    scale c is the largest power of two for which sums of up to ``max_examples`` examples stay below :math:`2^{b - 2}`
    (half of what the ring holds is left for rounding). The average of K clients that have N examples is then off by
    rounding at most :math:`K / (2 c N)` in each coordinate.

    Args:
        max_value: Largest magnitude of a weight.
        max_examples: Largest number of examples of all clients of a round.
        bits: Size b of the ring, 32 or 64.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, max_value: float = 16.0, max_examples: int = 2**16, bits: int = 32) -> None:
        if bits not in RINGS:
            raise ValueError(f"bits: expected 32 or 64, got {bits}")
        if not 0 < max_value < math.inf or max_examples < 1:
            got = f"{max_value} and {max_examples}"
            raise ValueError(f"max_value and max_examples: expected above 0 and at least 1, got {got}")
        self.max_value, self.max_examples, self.bits = max_value, max_examples, bits
        self.scale = 2.0 ** math.floor(bits - 2 - math.log2(max_value * max_examples))
        if self.scale * max_examples < 1:
            raise ValueError(f"bits: expected more than {bits} for a max_value of {max_value}")

    def encode(self, values: Tensor, examples: int) -> np.ndarray:
        """Encode a client's vector.

        Args:
            values: Float64 ``[d]``.
            examples: Number of its examples.

        Returns:
            Unsigned integers ``[d + 1]``.

        Raises:
            ValueError: If a value or the number of examples is too large for the ring.
        """
        largest = float(values.abs().max()) if values.numel() else 0.0
        if not largest <= self.max_value:  # NaN neither
            raise ValueError(f"max_value: expected weights of magnitude up to {self.max_value}, got {largest}")
        if not 0 <= examples <= self.max_examples:
            raise ValueError(f"max_examples: expected 0 to {self.max_examples}, got {examples}")
        codes = (values.numpy() * (examples * self.scale)).round().astype(np.int64)
        return np.append(codes, examples).astype(RINGS[self.bits][0])

    def decode(self, total: np.ndarray) -> tuple[Tensor, int]:
        """Decode the sum of clients' codes.

        Args:
            total: Unsigned integers ``[d + 1]``.

        Returns:
            The average by examples, float64 ``[d]`` (zeros without examples), and the number of examples.

        Raises:
            ValueError: If there are more examples than the ring has room for, or the sum is none of codes.
        """
        signed = total.view(np.int32 if self.bits == 32 else np.int64)
        examples = int(signed[-1])
        if not 0 <= examples <= self.max_examples:
            raise ValueError(f"max_examples: expected a sum of 0 to {self.max_examples}, got {examples}")
        mean = signed[:-1].astype(np.float64) / (max(examples, 1) * self.scale)
        return torch.from_numpy(mean), examples
