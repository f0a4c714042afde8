"""The gradient of a task without backpropagation: directional derivatives along random directions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from graphml.federated.weights import Weights
from graphml.ops.forward_mode import RefuseCustomOps
from graphml.tasks.task import Task


class _Loss(nn.Module):
    """The loss of a task as the forward pass of a module, which `torch.func.functional_call` can run on other weights.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, batch: Any, generator: torch.Generator) -> Tensor:
        return self.task.loss(self.task.network, batch, generator)[0]


def forward_gradient(
    task: Task, batch: Any, names: Sequence[str], generator: torch.Generator, draws: int = 1
) -> tuple[Tensor, Weights]:
    r"""Estimate the gradient of a task's loss to some of its parameters (Baydin et al., 2022, arXiv 2202.08587).

    .. math::
        \hat{\mathbf{g}} = \frac{1}{K} \sum_{k=1}^{K} \mathbf{v}_k \langle \nabla L, \mathbf{v}_k \rangle,
        \qquad \mathbf{v}_k \sim \mathcal{N}(0, \mathbf{I}_d)

    Each derivative along a direction takes one forward pass with tangents, and nothing of the pass is kept. The
    estimate is unbiased, and :math:`\mathbb{E} \lVert \hat{\mathbf{g}} \rVert^2 = (1 + (d + 1) / K) \lVert \nabla L
    \rVert^2`: a direction in d dimensions says little about the gradient. What the loss itself draws, such as dropout,
    is drawn anew for each direction.

    Args:
        task: The task, in the mode (training or evaluation) that its loss is wanted in.
        batch: A batch of the loader.
        names: The parameters, as `torch.nn.Module.named_parameters` calls them; d numbers in all.
        generator: Where directions, and what the loss draws, come from.
        draws: Number K of directions, at least 1.

    Returns:
        Mean loss of the K passes, and for each name the estimate, of the parameter's shape.

    Raises:
        ValueError: If there are no draws or no names, or a name is no parameter's.
        RuntimeError: If no tangent reaches the loss.
        NotImplementedError: If a tangent reaches an operator that would drop it, or one that has no forward mode.
    """
    parameters = dict(task.named_parameters(remove_duplicate=False))
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    if not names or not parameters.keys() >= set(names):
        unknown = sorted(set(names) - parameters.keys())
        raise ValueError(f"names: expected some of the task's parameters, got {', '.join(unknown) or 'none'}")
    values = {name: parameters[name].detach() for name in names}
    loss = torch.zeros(())
    gradient = {name: torch.zeros_like(value) for name, value in values.items()}
    for _ in range(draws):
        directions = {name: _normal_like(value, generator) for name, value in values.items()}
        value, slope = _directional(_Loss(task), batch, values, directions, generator)
        loss = loss + value / draws
        for name, direction in directions.items():
            gradient[name].add_(direction * (slope / draws))
    return loss, gradient


def _normal_like(value: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(value.shape, generator=generator, dtype=value.dtype, device=generator.device).to(value.device)


def _directional(
    loss: _Loss, batch: Any, values: Weights, directions: Weights, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The loss and its derivative along directions."""
    # Not torch.func.jvp: in its wrappers, running statistics of normalisation layers could not be changed in place.
    with torch.no_grad(), forward_ad.dual_level(), RefuseCustomOps():
        duals = {f"task.{name}": forward_ad.make_dual(value, directions[name]) for name, value in values.items()}
        try:
            value, slope = forward_ad.unpack_dual(torch.func.functional_call(loss, duals, (batch, generator)))
        except NotImplementedError as error:
            raise NotImplementedError(
                f"names: expected parameters from which all operations on the way to the loss have forward-mode "
                f"derivatives, got {', '.join(values)} ({str(error).splitlines()[0]})"
            ) from error
        if slope is None:
            raise RuntimeError(
                f"names: expected parameters that the loss depends on, got a loss without a tangent for "
                f"{', '.join(values)}: it does not depend on them, or something on the way drops tangents"
            )
        return value.clone(), slope.clone()
