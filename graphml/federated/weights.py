"""Weights as dictionaries of tensors: what a federation averages, keeps and sends."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
"""Parameters and buffers by the names of the state dict."""


def weights_of(module: nn.Module) -> Weights:
    """Copies of all parameters and buffers of a module.

    Args:
        module: The module.
    """
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def parameter_names(module: nn.Module) -> frozenset[str]:
    """Names of all parameters; the rest of the state dict are buffers.

    Args:
        module: The module; a parameter that it holds twice has both names.
    """
    return frozenset(name for name, _ in module.named_parameters(remove_duplicate=False))


def belongs(name: str, part: str) -> bool:
    """Whether a weight is a module's, or the parameter itself.

    Args:
        name: Name of the weight.
        part: Name of the module or parameter, such as ``encoder.lins.1``.
    """
    return name == part or name.startswith(f"{part}.")


def weighted_average(states: Sequence[Weights], shares: Sequence[float]) -> Weights:
    """Average the floating tensors, and keep the integer ones of the first state.

    BatchNorm's running mean and variance are floating, so they are averaged like weights; its counter of batches is an
    integer, and an average of counters means nothing.

    Args:
        states: K states of equal names, shapes and types, at least one.
        shares: K weights, not negative, of positive sum; they are divided by it.

    Returns:
        The average, summed in double precision in the order given.

    Raises:
        ValueError: If there is no state, or the weights are of another number or sum to 0.
    """
    total = float(sum(shares))
    if not states or len(states) != len(shares) or min(shares) < 0 or total <= 0:
        raise ValueError(
            f"shares: expected as many as states (at least one), not negative, of positive sum, got {list(shares)} for "
            f"{len(states)} states"
        )
    out = {}
    for name, first in states[0].items():
        if not first.is_floating_point():
            out[name] = first.clone()
            continue
        mean = torch.zeros_like(first, dtype=torch.float64)
        term = torch.empty_like(mean)  # one buffer for all states
        for state, share in zip(states, shares, strict=True):
            mean.add_(term.copy_(state[name]), alpha=share / total)
        out[name] = mean.to(first.dtype)
    return out


def summed(parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Sum by name.

    Args:
        parts: Tensors by name; one that lacks a name adds nothing to it.
    """
    total: dict[str, Tensor] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total[name] + value if name in total else value
    return total


def difference(end: Weights, start: Weights) -> Weights:
    """What changed: ``end - start`` of the floating tensors of ``end``.

    Args:
        end: Weights.
        start: Weights that hold all names of ``end``.
    """
    return {name: value - start[name] for name, value in end.items() if value.is_floating_point()}
