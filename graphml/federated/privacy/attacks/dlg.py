"""Deep leakage from gradients."""

import torch
from torch import Tensor

from graphml.federated.privacy.attacks.gradient_inversion import (
    GradientMatch,
    Guess,
    Observation,
    Reconstruction,
    best_of,
)


def deep_leakage(
    observation: Observation, generator: torch.Generator, steps: int = 300, restarts: int = 5
) -> Reconstruction:
    r"""Search for the graph whose gradient is the observed one, by L-BFGS (DLG: Zhu et al., NeurIPS 2019).

    .. math::
        \min_{\mathbf{X}, \mathbf{A}} \frac{\lVert \nabla(\mathbf{X}, \mathbf{A}) - \mathbf{g} \rVert^2}
        {\lVert \mathbf{g} \rVert^2}

    over the features and, where it is not known, over a relaxed adjacency (as GraphMI, Zhang et al., IJCAI 2021, and
    GLG, arXiv 2411.19440, relax it). Labels are given, as in iDLG; the paper searches for them too. The division, by a
    constant, keeps the objective clear of the optimiser's tolerances. ReLU's second derivative is 0, so that the search
    is coarser than on the paper's smooth activations.

    Adversary: honest-but-curious server.

    Args:
        observation: What the server has.
        generator: Where the first guess comes from.
        steps: Steps of L-BFGS, each with a line search, at least 1.
        restarts: Number of searches, each from another guess, at least 1.

    Returns:
        The best that was found; its distance is the objective.

    Raises:
        ValueError: If there is no step or no search, or the observed gradient is zero.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    match = GradientMatch(observation)
    return best_of(lambda: _search(match, Guess(observation, generator), steps), restarts)


def _search(match: GradientMatch, guess: Guess, steps: int) -> Reconstruction:
    optimizer = torch.optim.LBFGS(
        guess.unknowns, max_iter=steps, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )
    scale = match.observed.square().sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = (match.gradient(guess.x(), guess.adjacency()) - match.observed).square().sum() / scale
        value.backward(inputs=guess.unknowns)
        return value

    optimizer.step(closure)
    return guess.reconstruction(float(closure().detach()))
