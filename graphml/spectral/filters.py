"""A bank of one low-pass filter and J band-pass filters with learnable positive scales."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.spectral.kernels import FilterKernel, get_kernel


def inverse_softplus(value: Tensor) -> Tensor:
    """The number whose softplus is ``value`` > 0."""
    return value + torch.log(-torch.expm1(-value))


class FilterBank(nn.Module):
    """``g_0(lambda) = h(alpha lambda)`` and ``g_j(lambda) = g(beta_j lambda)``, j = 1..J, all scales positive.

    Positive by ``scale = softplus(raw)``. Band-pass scales start on a geometric progression from 2 down to 0.5. Many
    banks whose scales are stacked along first dimensions are computed as one.

    Args:
        num_scales: Number J >= 0 of band-pass filters.
        low_pass: Whether the bank holds the low-pass filter.
        kernel: Band-pass kernel, by name or as an object.
        low_pass_kernel: Low-pass kernel, by name or as an object.
        low_pass_scale: Initial alpha > 0; 3 is a clear low pass, 1.3 with band passes of weight 1 is nearly all-pass.
        scales: Initial band-pass scales, J positive numbers; default: the progression above.
        learn_scales: Whether the scales are parameters (else buffers).

    Raises:
        ValueError: An empty bank, a scale that is not positive, an unknown kernel.
    """

    raw_scales: Tensor

    def __init__(
        self,
        num_scales: int = 2,
        low_pass: bool = True,
        kernel: str | FilterKernel = "mexican_hat",
        low_pass_kernel: str | FilterKernel = "scaling",
        low_pass_scale: float = 3.0,
        scales: Sequence[float] | None = None,
        learn_scales: bool = True,
    ) -> None:
        super().__init__()
        if num_scales < 0:
            raise ValueError(f"num_scales: expected an integer >= 0, got {num_scales}")
        if num_scales == 0 and not low_pass:
            raise ValueError("num_scales=0 with low_pass=False leaves no filter: ask for a scale or for the low pass")
        band = list(scales) if scales is not None else _geometric(num_scales)
        if len(band) != num_scales:
            raise ValueError(f"scales: expected {num_scales} values (num_scales), got {len(band)}")
        initial = [low_pass_scale, *band] if low_pass else band
        if min(initial) <= 0:
            raise ValueError(f"scales: expected positive numbers, got {initial}")
        self.low_pass = low_pass
        self.kernel = _checked("kernel", kernel, 0.0)
        self.low_pass_kernel = _checked("low_pass_kernel", low_pass_kernel, 1.0)
        self.initial = tuple(initial)
        raw = torch.empty(len(initial))
        if learn_scales:
            self.raw_scales = nn.Parameter(raw)
        else:
            self.register_buffer("raw_scales", raw)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scales to their initial values."""
        with torch.no_grad():
            self.raw_scales.copy_(inverse_softplus(torch.tensor(self.initial)))

    @property
    def scales(self) -> Tensor:
        """``[num_filters]`` positive scales, the low pass first."""
        return F.softplus(self.raw_scales)

    def __len__(self) -> int:
        return self.raw_scales.size(-1)

    def forward(self, lam: Tensor) -> Tensor:
        """Responses ``[..., num_filters, S]`` at eigenvalues ``lam`` ``[S]`` in [0, 2]."""
        y = self.scales.to(lam.dtype).unsqueeze(-1) * lam
        if not self.low_pass:
            return self.kernel(y)
        return torch.cat([self.low_pass_kernel(y[..., :1, :]), self.kernel(y[..., 1:, :])], dim=-2)

    def extra_repr(self) -> str:
        """Kernels and initial scales."""
        low = f"{self.low_pass_kernel}, " if self.low_pass else ""
        return f"{low}{self.kernel}, initial={self.initial}"


def _checked(argument: str, kernel: str | FilterKernel, at_zero: float) -> FilterKernel:
    """A band pass is 0 at eigenvalue 0, a low pass is 1 there: the one cannot stand for the other."""
    found = get_kernel(kernel)
    value = float(found(torch.zeros(1, dtype=torch.float64)))
    if abs(value - at_zero) > 1e-6:
        raise ValueError(f"{argument}: expected a kernel whose value at 0 is {at_zero:g}, got {found}, {value:g} at 0")
    return found


def _geometric(count: int) -> list[float]:
    if count == 1:
        return [1.0]
    return [2.0 * 0.25 ** (j / (count - 1)) for j in range(count)]
