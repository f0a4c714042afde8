"""A model for many clients at once: its layers' weights are stacked along a first dimension, a client a slice.

The model's own code runs on the clients' block-diagonal graph as it stands. Products with the graph need nothing;
each layer that has weights is replaced by its counterpart here, which applies to each client's rows its own slice.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from graphml.federated.engines.layout import Layout
from graphml.federated.weights import Weights
from graphml.models import GPRGNN
from graphml.nn import Bias, FeatureLinear, WaveletFilter
from graphml.ops import SparsePattern, chebyshev_filter, spmm
from graphml.spectral import FilterBank

Module = TypeVar("Module", bound=nn.Module)


class StackedLinear(nn.Linear):
    """``x W^T + b``, one batched product for each group of clients: ``weight`` ``[K, C, F]``, ``bias`` ``[K, C]``."""

    layout: Layout

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``[R, F]`` to ``[R, C]``."""
        return self.layout.apply(_transformed, x, *(own for own in (self.weight, self.bias) if own is not None))


class StackedFeatureLinear(FeatureLinear):
    """The same; sparse features ``[R, K F]``, each client with columns of its own, take one sparse product for all."""

    layout: Layout

    def forward(self, x: Tensor) -> Tensor:
        """Project ``[R, F]``, or sparse CSR ``[R, K F]``, to ``[R, C]``."""
        if x.layout != torch.sparse_csr:
            return StackedLinear.forward(self, x)  # type: ignore[arg-type]
        pattern = self._pattern(x)
        out = spmm(pattern, pattern.in_order(x.values()), self.weight.mT.flatten(0, 1))
        return out if self.bias is None else _add_rows(self.layout, out, self.bias)


class StackedBias(Bias):
    """Adds to each client's rows its own row: ``bias`` ``[K, C]``."""

    layout: Layout

    def forward(self, x: Tensor) -> Tensor:
        """Add the biases."""
        return _add_rows(self.layout, x, self.bias)


class StackedBatchNorm(nn.BatchNorm1d):
    """Normalises over each client's own nodes, without the padding; all tensors ``[K, C]``, the counter ``[K]``."""

    layout: Layout

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[R, C]``.

        Raises:
            ValueError: If a client has a single node in training, as in `torch.nn.BatchNorm1d`.
        """
        known = self.get_buffer("running_mean"), self.get_buffer("running_var")
        mean, var = self._statistics(x, *known) if self.training else known
        scale = (var + self.eps).rsqrt()
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return self.layout.apply(lambda x, a, b: torch.addcmul(b[:, None], x, a[:, None]), x, scale, shift)

    def _statistics(self, x: Tensor, running_mean: Tensor, running_var: Tensor) -> tuple[Tensor, Tensor]:
        """``[K, C]`` mean and variance; the running ones follow them."""
        if self.layout.sizes[-1] < 2:
            raise ValueError("BatchNorm: expected more than 1 node a client in training, got 1")
        sizes = torch.tensor(self.layout.sizes, dtype=x.dtype).unsqueeze(1)
        mean, var = self._moments(x, sizes)
        with torch.no_grad():
            batches = self.get_buffer("num_batches_tracked").add_(1)
            share = 1 / batches.unsqueeze(1) if self.momentum is None else self.momentum
            running_mean.lerp_(mean, share)
            running_var.lerp_(var * (sizes / (sizes - 1)), share)
        return mean, var

    def _moments(self, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.layout.apply(lambda x, n: _real(x, n).sum(1, keepdim=True) / n[:, None], x, sizes)
        var = self.layout.apply(
            lambda x, n, m: _real(x - m[:, None], n).square().sum(1, keepdim=True) / n[:, None], x, sizes, mean
        )
        return mean, var


class StackedWaveletFilter(WaveletFilter):
    """Each client's own polynomials, from its own scales and density: ``mixing`` ``[K, J]``, ``density`` ``[K, 256]``.

    Its bank of filters computes with stacked scales as it stands.
    """

    layout: Layout

    def _sum(self, x: Tensor, pattern: SparsePattern, weight: Tensor, coefficients: Tensor) -> Tensor:
        """``[R, F]`` signal under each client's polynomial ``[K, order + 1]``."""
        of_rows = coefficients[self.layout.owner].T.contiguous().unsqueeze(-1)
        return chebyshev_filter(x, pattern, weight, of_rows)

    def _each(self, basis: Tensor, coefficients: Tensor) -> Tensor:
        """``[R, J F]`` signals under each client's polynomials ``[K, J, order + 1]``, end to end."""
        terms = len(basis)

        def combine(part: Tensor, own: Tensor) -> Tensor:
            return torch.einsum("kjt,kntf->knjf", own, part.unflatten(2, (terms, -1))).flatten(2)

        return self.layout.apply(combine, basis.transpose(0, 1).flatten(1), coefficients)


class StackedGPRGNN(GPRGNN):
    """Each client's own weights of the steps: ``gamma`` ``[K, steps + 1]``."""

    layout: Layout

    def step_weights(self) -> Tensor:
        """``[steps + 1, R, 1]``."""
        return self.gamma[self.layout.owner].T.unsqueeze(-1)


COUNTERPARTS: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.Linear: StackedLinear,
    FeatureLinear: StackedFeatureLinear,
    Bias: StackedBias,
    nn.BatchNorm1d: StackedBatchNorm,
    WaveletFilter: StackedWaveletFilter,
    FilterBank: FilterBank,
    GPRGNN: StackedGPRGNN,
}
"""What stands for each layer that has weights: a subclass of it that has the same names of weights."""


def unstackable(module: nn.Module) -> str | None:
    """What keeps a model from being stacked; None if nothing does.

    Args:
        module: The model.
    """
    for name, part in module.named_modules():
        if own_weights(part) and type(part) not in COUNTERPARTS:
            return f"{name or 'the model itself'} is a {type(part).__name__}, a layer of weights without a stacked form"
        if isinstance(part, nn.BatchNorm1d) and part.running_mean is None:
            return f"{name} is a BatchNorm without running statistics"
    unique = sum(1 for _ in module.parameters())
    if unique < sum(1 for _ in module.named_parameters(remove_duplicate=False)):
        return "two of its layers share a weight"
    return None


def stack(module: Module, layout: Layout) -> Module:
    """Copy a model for the clients of a layout; the weights are not set.

    Args:
        module: The model.
        layout: The clients' layout.

    Returns:
        A model with the same names of weights, each ``[K, ...]``; it takes the clients' block-diagonal graph.

    Raises:
        TypeError: If a layer has no counterpart.
    """
    reason = unstackable(module)
    if reason is not None:
        raise TypeError(f"module: expected layers that can be stacked, got a model in which {reason}")
    stacked = copy.deepcopy(module)
    clients = len(layout.sizes)
    for part in stacked.modules():
        if not own_weights(part):
            continue
        part.__class__ = COUNTERPARTS[type(part)]
        part.layout = layout  # type: ignore[assignment]  # no module, but a plain attribute
        for name, weight in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(_widened(weight, clients), weight.requires_grad))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, _widened(buffer, clients))
    return stacked


def own_weights(module: nn.Module) -> bool:
    """Whether a module itself, not a part of it, has parameters or buffers.

    Args:
        module: The module.
    """
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


@torch.no_grad()
def set_weights(stacked: nn.Module, states: Sequence[Weights]) -> None:
    """Set each client's slice.

    Args:
        stacked: A stacked model.
        states: Weights of the K clients.
    """
    for name, target in stacked.state_dict().items():
        set_stack(target, [state[name] for state in states])


@torch.no_grad()
def set_stack(target: Tensor, values: Sequence[Tensor]) -> None:
    """Write K tensors into ``target`` ``[K, ...]``, quickly where all are the same object, as the server's are.

    Args:
        target: Where to write.
        values: The tensors.
    """
    if values[0].shape != target.shape[1:]:
        raise ValueError(f"values: expected shape {tuple(target.shape[1:])}, got {tuple(values[0].shape)}")
    if all(value is values[0] for value in values):
        target[0].copy_(values[0])
        target[1:].copy_(target[:1])
    elif target.dim() == 3:  # lies in memory as its transpose
        target.mT.copy_(torch.stack([value.T for value in values]))
    else:
        target.copy_(torch.stack(list(values)))


def slices(stacked: nn.Module) -> list[Weights]:
    """Each client's weights, which change when the model does.

    Args:
        stacked: A stacked model.
    """
    named = stacked.state_dict()
    return [
        dict(zip(named, own, strict=True)) for own in zip(*(value.unbind() for value in named.values()), strict=True)
    ]


def owned(weights: Weights) -> Weights:
    """The same weights; those that are part of a larger tensor, such as slices, as copies.

    Args:
        weights: Tensors by name.
    """
    return {
        name: value.clone(memory_format=torch.contiguous_format)
        if value.untyped_storage().nbytes() > value.nbytes
        else value
        for name, value in weights.items()
    }


def _widened(weight: Tensor, clients: int) -> Tensor:
    """``[K, ...]``; matrices lie transposed in memory, as both products of a linear layer want them."""
    if weight.dim() == 2:
        return weight.detach().new_empty(clients, *weight.shape[::-1]).mT
    return weight.detach().new_empty(clients, *weight.shape)


def _transformed(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias[:, None], x, weight.mT)


def _add_rows(layout: Layout, x: Tensor, rows: Tensor) -> Tensor:
    return layout.apply(lambda x, row: x + row[:, None], x, rows)


def _real(x: Tensor, sizes: Tensor) -> Tensor:
    """``[k, n, C]`` with zeros in the padding, where sizes ``[k, 1]`` are how many rows are none."""
    return x * (torch.arange(x.size(1)) < sizes).unsqueeze(-1)
