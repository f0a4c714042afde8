"""Filter kernels of graph wavelets: functions of a scaled eigenvalue ``y = scale * lambda >= 0``.

PyGSP's kernels are the reference for their shapes (Hammond, Vandergheynst, Gribonval 2011; Leonardi and Van De Ville
2013 for Meyer). Each is smooth enough to differentiate in the scale.
"""

import math

import torch
from torch import Tensor


class FilterKernel:
    """A function on the non-negative half-line. Call it with ``scale * lambda``; a band pass has value 0 at 0."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ScalingFunction(FilterKernel):
    """Low pass ``h(y) = 1 / (1 + y)``: the scaling function of WGGP (Opolka et al., AISTATS 2022)."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        return 1 / (1 + y)


class Heat(FilterKernel):
    """Low pass ``exp(-y)``: the heat kernel."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        return torch.exp(-y)


class MexicanHat(FilterKernel):
    """Band pass ``2 sqrt(2/3) pi^(-1/4) y^2 exp(-y^2 / 2)``: 0 at 0, greatest at ``y = sqrt(2)``."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        square = y.square()
        height = 2 * math.sqrt(2 / 3) / math.sqrt(math.sqrt(math.pi))  # a float power is Any to the type checker
        return height * square * torch.exp(-square / 2)


class XExp(FilterKernel):
    """Band pass ``y exp(-y)``: 0 at 0, greatest at ``y = 1``."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        return y * torch.exp(-y)


class Meyer(FilterKernel):
    """Band pass of the Meyer wavelet frame: rises on [2/3, 4/3], falls on [4/3, 8/3], 0 elsewhere."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        rising = torch.sin(math.pi / 2 * self._step(1.5 * y - 1))
        falling = torch.cos(math.pi / 2 * self._step(0.75 * y - 1))
        inside = torch.where(y < 4 / 3, rising, falling)
        return torch.where((y > 2 / 3) & (y < 8 / 3), inside, torch.zeros_like(y))

    @staticmethod
    def _step(t: Tensor) -> Tensor:
        """Meyer's polynomial from 0 to 1 on [0, 1], with three derivatives that vanish at the ends."""
        t = t.clamp(0, 1)
        return t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)


class Abspline(FilterKernel):
    """Band pass of Hammond et al. 2011: ``y^2`` below 1, a cubic spline on [1, 2], ``(2 / y)^2`` above 2."""

    def __call__(self, y: Tensor) -> Tensor:
        """Value at ``y >= 0``, any shape."""
        middle = -5 + 11 * y - 6 * y**2 + y**3
        tail = 4 / y.clamp(min=1).square()  # the clamp keeps the unused branch's gradient finite
        return torch.where(y < 1, y.square(), torch.where(y <= 2, middle, tail))


KERNELS: dict[str, type[FilterKernel]] = {
    "scaling": ScalingFunction,
    "heat": Heat,
    "mexican_hat": MexicanHat,
    "x_exp": XExp,
    "meyer": Meyer,
    "abspline": Abspline,
}
"""Kernels by the name that a configuration file gives."""


def get_kernel(kernel: str | FilterKernel) -> FilterKernel:
    """Kernel of that name, or the kernel itself.

    Raises:
        ValueError: An unknown name; the message lists the known ones.
    """
    if isinstance(kernel, FilterKernel):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(f"kernel: expected one of {sorted(KERNELS)} or a FilterKernel, got {kernel!r}")
    return KERNELS[kernel]()
