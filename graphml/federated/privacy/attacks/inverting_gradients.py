"""Inverting gradients by their direction."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from graphml.federated.privacy.attacks.dense import normalized
from graphml.federated.privacy.attacks.gradient_inversion import (
    GradientMatch,
    Guess,
    Observation,
    Reconstruction,
    best_of,
)


@dataclass(frozen=True)
class Prior:
    """What is thought of graphs before their gradient is seen.

    Attributes:
        smoothness: Weight of the features' mean square difference along edges, not negative.
        sparsity: Weight of the mean entry of the adjacency, not negative.
    """

    smoothness: float = 1e-4
    sparsity: float = 1e-4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) >= 0:
                raise ValueError(f"{field.name}: expected at least 0, got {getattr(self, field.name)}")

    def penalty(self, x: Tensor, adjacency: Tensor) -> Tensor:
        r"""How unlikely a graph is: :math:`\alpha \, \mathrm{tr}(X^\top L X) / nF + \beta \, \lVert A \rVert_1 / n^2`.

        Args:
            x: Features [n, F].
            adjacency: Relaxed adjacency [n, n].
        """
        rough = (x * (x - normalized(adjacency, self_loops=True) @ x)).mean()
        return self.smoothness * rough + self.sparsity * adjacency.mean()


def invert_gradient(
    observation: Observation,
    generator: torch.Generator,
    steps: int = 1000,
    lr: float = 0.1,
    prior: Prior = Prior(),  # frozen
    restarts: int = 1,
) -> Reconstruction:
    r"""Search for the graph whose gradient points where the observed one does (Geiping et al., NeurIPS 2020).

    .. math::
        \min_{\mathbf{X}, \mathbf{A}} 1 - \cos(\nabla(\mathbf{X}, \mathbf{A}), \mathbf{g}) + R(\mathbf{X}, \mathbf{A})

    by Adam on the signs of the gradients, whose rate falls to a tenth after 3/8, 5/8 and 7/8 of the steps, with
    features clamped to their bounds after each (arXiv 2003.14053, section 4). Images' total variation makes no sense
    here: in its place stand smoothness of the features along edges and sparsity of the adjacency, as in GraphMI (Zhang
    et al., IJCAI 2021) and in GLG (arXiv 2411.19440). A reconstruction: GLG's own code is not public.

    Adversary: honest-but-curious server.

    Args:
        observation: What the server has.
        generator: Where the first guess comes from.
        steps: Steps of Adam, at least 1.
        lr: Rate of Adam, above 0.
        prior: The regulariser R.
        restarts: Number of searches, each from another guess, at least 1; that with the nearest gradient counts.

    Returns:
        What was found; its distance is ``1 - cos``.

    Raises:
        ValueError: If a number is out of range, or the observed gradient is zero.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if not lr > 0:
        raise ValueError(f"lr: expected a number above 0, got {lr}")
    match = GradientMatch(observation)
    return best_of(lambda: _search(match, Guess(observation, generator), steps, lr, prior), restarts)


def _search(match: GradientMatch, guess: Guess, steps: int, lr: float, prior: Prior) -> Reconstruction:
    optimizer = torch.optim.Adam(guess.unknowns, lr=lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps * part // 8 for part in (3, 5, 7)])
    for _ in range(steps):
        optimizer.zero_grad()
        x, adjacency = guess.x(), guess.adjacency()
        (_distance(match, x, adjacency) + prior.penalty(x, adjacency)).backward(inputs=guess.unknowns)
        for unknown in guess.unknowns:
            unknown.grad = unknown.grad.sign() if unknown.grad is not None else None
        optimizer.step()
        schedule.step()
        guess.project()
    return guess.reconstruction(float(_distance(match, guess.x(), guess.adjacency()).detach()))


def _distance(match: GradientMatch, x: Tensor, adjacency: Tensor) -> Tensor:
    return 1 - torch.cosine_similarity(match.gradient(x, adjacency), match.observed, dim=0)
