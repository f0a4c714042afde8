"""Clipped uniform quantisation: weights as integers of a few bits."""

import abc

import numpy as np
import torch
from torch import Tensor

from graphml.federated.compression.lossy import lossy_names
from graphml.federated.compression.packing import pack, packed_size, unpack
from graphml.federated.compression.weighting import ByInverseError, Weighting, as_metrics
from graphml.federated.message import Message, taken_from, under
from graphml.federated.strategy import Replies
from graphml.federated.uplink import Sealing, UplinkStage
from graphml.federated.weights import Weights

MAX_STEPS = 100  # the paper's 10 are not enough at 8 bits and more
TOLERANCE = 1e-6


def clipping_scale(values: Tensor, bits: int) -> float:
    r"""Scale s to which values are clipped, so that clipping and rounding together err least.

    The fixed point of OCTAV (Sakr et al., ICML 2022; arXiv 2405.13365), from the mean of :math:`|w|` on:

    .. math::
        s \leftarrow \frac{\sum |w| \, 1\{|w| > s\}}{\frac{4^{-B}}{3} \#\{0 < |w| \le s\} + \#\{|w| > s\}}

    It minimises :math:`J(s) = \frac{4^{-B}}{3} s^2 \#\{0 < |w| \le s\} + \sum_{|w| > s} (|w| - s)^2`. A scale that
    nothing exceeds is kept (the formula would send it to 0). On a few values the iteration may jump between two
    points; then the one of the lesser J is taken.

    Args:
        values: Finite values of any shape.
        bits: Bits B of a quantised value.

    Returns:
        The scale; 0 where all values are 0.
    """
    magnitudes = np.sort(values.detach().double().abs().view(-1).numpy())
    scale = float(magnitudes.mean()) if magnitudes.size else 0.0
    magnitudes = magnitudes[magnitudes > 0]
    slope, previous = 4.0**-bits / 3, scale
    sums = np.append(np.cumsum(magnitudes[::-1])[::-1], 0.0)  # of all from a place on
    for _ in range(MAX_STEPS):
        inside = int(np.searchsorted(magnitudes, scale, side="right"))
        outside = magnitudes.size - inside
        if not outside:
            return scale
        previous, scale = scale, float(sums[inside]) / (slope * inside + outside)
        if abs(scale - previous) <= TOLERANCE * scale:
            return scale
    return min(previous, scale, key=lambda each: _expected_error(magnitudes, each, slope))


def _expected_error(magnitudes: np.ndarray, scale: float, slope: float) -> float:
    outside = magnitudes[magnitudes > scale]
    clipped = float(np.square(outside - scale).sum())
    return slope * scale**2 * (magnitudes.size - outside.size) + clipped


def quantise(values: Tensor, scale: float, bits: int, generator: torch.Generator | None = None) -> Tensor:
    r"""Round clipped values to the nearest of :math:`2^B` levels from -s to s.

    .. math::
        q = \mathrm{round}\bigl(n \, \mathrm{clamp}(\tfrac{w}{2s} + \tfrac12 + u)\bigr), \qquad n = 2^B - 1

    Args:
        values: Values w of any shape.
        scale: Scale s, not negative.
        bits: Bits B of a quantised value.
        generator: Stochastic rounding, unbiased for all that is not clipped: :math:`u \sim U(-\tfrac12, \tfrac12) / n`
            is drawn from it. None: :math:`u = 0`.

    Returns:
        Integers from 0 to n, int32 of the shape of the values; all 0 where s is 0.
    """
    if scale == 0:
        return torch.zeros(values.shape, dtype=torch.int32)
    levels = 2**bits - 1
    places: Tensor = (values.double() / (2 * scale) + 0.5) * levels
    if generator is not None:
        places += torch.rand(values.shape, generator=generator, dtype=torch.float64) - 0.5
    return places.clamp_(0, levels).round_().int()


def dequantise(codes: Tensor, scale: float, bits: int) -> Tensor:
    r"""The levels :math:`s (2 q / n - 1)`.

    Args:
        codes: Integers from 0 to n.
        scale: Scale s.
        bits: Bits B of a quantised value.

    Returns:
        Float64 of the shape of the codes.
    """
    levels: Tensor = scale * (2 * codes.double() / (2**bits - 1) - 1)
    return levels


class ClippedQuantisation(UplinkStage, abc.ABC):
    """Sends each tensor of weights as integers of ``bits`` bits and a scale, packed.

    "Clipped uniform quantizers for communication-efficient federated learning" (CISS 2025, arXiv 2405.13365): the
    weights themselves are quantised, tensor by tensor; with the stage `Updates` before this one it is what changed of
    them. Integers and buffers are sent exactly. An answer is three arrays and those: ``codes``, uint8, the codes of
    all tensors by the order of their names, each tensor from a new byte on; ``scales`` and ``errors``, float32, a
    scale and a squared error for each tensor.

    What the server sends is not quantised.

    Args:
        bits: Bits of a weight, 1 to 16.
        weighting: What each client counts in the average.

    Raises:
        ValueError: If the width is out of range.
    """

    def __init__(self, bits: int, weighting: Weighting | None = None) -> None:
        super().__init__()
        if not 1 <= bits <= 16:
            raise ValueError(f"bits: expected 1 to 16, got {bits}")
        self.bits = bits
        self.weighting = ByInverseError() if weighting is None else weighting

    @abc.abstractmethod
    def codes_of(self, values: Tensor, scale: float, generator: torch.Generator) -> Tensor:
        """Round a tensor.

        Args:
            values: The tensor.
            scale: Its scale.
            generator: Where to draw from.
        """

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Quantise and pack.

        Args:
            answer: Weights.
            sealing: Who seals them.

        Raises:
            FloatingPointError: If a weight is not finite.
        """
        names = lossy_names(answer.arrays, sealing.buffers)
        packed, scales, errors = [], [], []
        for name in names:
            values = answer.arrays[name]
            if not bool(values.isfinite().all()):
                raise FloatingPointError(f"{name} holds NaN or infinity: lower the learning rate of the clients")
            scale = float(torch.tensor(clipping_scale(values, self.bits), dtype=torch.float32))  # as it will be sent
            codes = self.codes_of(values, scale, sealing.generator)
            packed.append(pack(codes, self.bits))
            scales.append(scale)
            errors.append(float((values - dequantise(codes, scale, self.bits)).square().sum()))
        arrays = {
            "codes": torch.cat([torch.empty(0, dtype=torch.uint8), *packed]),
            "scales": torch.tensor(scales, dtype=torch.float32),
            "errors": torch.tensor(errors, dtype=torch.float32),
        }
        return Message(arrays | self._exact(answer.arrays, names), answer.metrics)

    def wire(self, expected: Weights) -> Weights:
        """Codes, scales, errors, and what is sent exactly.

        Args:
            expected: Weights.
        """
        names = lossy_names(expected, self.buffers)
        size = sum(packed_size(expected[name].numel(), self.bits) for name in names)
        arrays = {
            "codes": torch.empty(size, dtype=torch.uint8),
            "scales": torch.empty(len(names)),
            "errors": torch.empty(len(names)),
        }
        return arrays | self._exact(expected, names)

    def open(self, answer: Message, expected: Weights) -> Message:
        """Unpack; errors become metrics.

        Args:
            answer: What `seal` returned.
            expected: Weights of the shapes and types that come out.
        """
        names = lossy_names(expected, self.buffers)
        sizes = [packed_size(expected[name].numel(), self.bits) for name in names]
        parts = answer.arrays["codes"].split(sizes)
        arrays = taken_from("exact", answer.arrays)
        for name, part, scale in zip(names, parts, answer.arrays["scales"].tolist(), strict=True):
            like = expected[name]
            values = dequantise(unpack(part, self.bits, like.numel()), scale, self.bits)
            arrays[name] = values.view(like.shape).to(like.dtype)
        return Message(arrays, answer.metrics | as_metrics(names, answer.arrays["errors"]))

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """Let the weighting decide.

        Args:
            answers: Opened answers.
            shared: Global weights.
        """
        return self.weighting.combine(answers)

    def _exact(self, arrays: Weights, names: list[str]) -> Weights:
        return under("exact", {name: value for name, value in arrays.items() if name not in names})


class StochasticQuantisation(ClippedQuantisation):
    """Clipped uniform quantisation with stochastic rounding: what is not clipped is right on average.

    Args:
        bits: Bits of a weight, 1 to 16.
        weighting: What each client counts in the average; default `ByInverseError`.
    """

    def codes_of(self, values: Tensor, scale: float, generator: torch.Generator) -> Tensor:
        """Round up or down, as is drawn.

        Args:
            values: The tensor.
            scale: Its scale.
            generator: Where to draw from.
        """
        return quantise(values, scale, self.bits, generator)


class DeterministicQuantisation(ClippedQuantisation):
    """Clipped uniform quantisation to the nearest level: half the error of stochastic rounding, and a bias.

    Args:
        bits: Bits of a weight, 1 to 16.
        weighting: What each client counts in the average; default `ByInverseError`.
    """

    def codes_of(self, values: Tensor, scale: float, generator: torch.Generator) -> Tensor:
        """Round to the nearest.

        Args:
            values: The tensor.
            scale: Its scale.
            generator: Unused.
        """
        return quantise(values, scale, self.bits)
