"""What server and clients send each other."""

import json
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor

Scalar = str | int | float | bool

DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
)}  # fmt: skip
"""Types that can be sent, by the name that stands in the encoded header."""


@dataclass(frozen=True)
class Message:
    """Arrays, metrics and configuration, detached from whatever they were made of.

    The arrays are copied when a message is made: the receiver may change them, and the sender go on training, without
    either seeing the other.

    Args:
        arrays: Dense tensors by name: weights, controls, statistics.
        metrics: Numbers that are measured, such as ``num_examples``.
        config: Plain values that tell the receiver what to do.

    Raises:
        TypeError: If an array is no dense tensor of a type in `DTYPES`.
    """

    arrays: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    config: dict[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if not isinstance(array, Tensor) or array.layout != torch.strided or array.dtype not in DTYPES.values():
                raise TypeError(f"arrays: expected {name!r} to be a dense tensor of numbers, got {_described(array)}")
        copies = {
            name: array.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, array in self.arrays.items()
        }
        object.__setattr__(self, "arrays", copies)
        object.__setattr__(self, "metrics", {name: float(value) for name, value in self.metrics.items()})
        object.__setattr__(self, "config", dict(self.config))

    @property
    def num_bytes(self) -> int:
        """Size of the encoded message, all of it: equal to ``len(self.encode())``."""
        return 8 + len(self._header()) + sum(array.nbytes for array in self.arrays.values())

    def encode(self) -> bytes:
        """The message as it goes over a wire: length of the header, header (JSON), the arrays end to end."""
        header = self._header()
        raw = (array.view(-1).view(torch.uint8).numpy().tobytes() for array in self.arrays.values())
        return b"".join([len(header).to_bytes(8, "little"), header, *raw])

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read an encoded message; nothing in it is executed.

        Args:
            encoded: What `encode` returned.

        Raises:
            ValueError: If it is cut off, too long, or no message at all.
        """
        try:
            start = 8 + int.from_bytes(encoded[:8], "little")
            header = json.loads(encoded[8:start])
            arrays = {}
            for name, dtype, shape in header["arrays"]:
                stop = start + int(np.prod(shape, dtype=np.int64)) * DTYPES[dtype].itemsize
                if stop > len(encoded):
                    raise ValueError(f"array {name!r} is cut off")
                arrays[name] = torch.empty(shape, dtype=DTYPES[dtype])
                raw = np.frombuffer(encoded[start:stop], dtype=np.uint8).copy()
                arrays[name].view(-1).view(torch.uint8).copy_(torch.from_numpy(raw))
                start = stop
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"encoded: expected a whole message, got {len(encoded)} bytes ({error})") from error
        if start != len(encoded):
            raise ValueError(f"encoded: expected {start} bytes, got {len(encoded)}")
        return cls(arrays, header["metrics"], header["config"])

    def _header(self) -> bytes:
        names = {dtype: name for name, dtype in DTYPES.items()}
        arrays = [[name, names[array.dtype], list(array.shape)] for name, array in self.arrays.items()]
        return json.dumps({"arrays": arrays, "metrics": self.metrics, "config": self.config}).encode()


def _described(array: object) -> str:
    return f"{array.dtype} of layout {array.layout}" if isinstance(array, Tensor) else type(array).__name__


def under(prefix: str, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Arrays by longer names, so that they can lie beside the weights of the same names.

    Args:
        prefix: What is put before each name, with a slash; names of weights have none.
        arrays: Arrays by name.
    """
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def taken_from(prefix: str, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of the arrays that `under` put below a prefix, by their own names.

    Args:
        prefix: The prefix.
        arrays: Arrays by name.
    """
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
