"""InfoNCE, forward + backward: the tiled log-sum-exp against the dense similarity matrix.

Goals at N 5,000, d 256: as fast as the dense form, and less than 5 MB beyond inputs, normalised copies and gradients
where the dense form takes hundreds. The log-sum-exp is measured by itself on normalised rows of both views (2N rows;
its gradient is 9.8 MiB of the peak), and as the whole loss with the normalisation. Without ``quick`` the loss runs once
more at the size of Coauthor Physics, where the dense form would hold a matrix of 19 GB.
"""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.bench.measure import Result, compare
from graphml.losses import info_nce
from graphml.ops import contrastive_logsumexp

TAU = 0.5
GOAL = 1.0


def dense_logsumexp(z: Tensor, tau: float) -> Tensor:
    """The usual form: all similarities, the diagonal masked."""
    similarity = z @ z.T / tau
    return similarity.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf")).logsumexp(1)


def grace(z1: Tensor, z2: Tensor, tau: float) -> Tensor:
    """The loss as GRACE's authors wrote it."""

    def half(a: Tensor, b: Tensor) -> Tensor:
        within, between = (torch.exp(F.normalize(a) @ F.normalize(c).T / tau) for c in (a, b))
        return -torch.log(between.diag() / (within.sum(1) + between.sum(1) - within.diag()))

    return (half(z1, z2) + half(z2, z1)).mean() / 2


def step(function: Callable[..., Tensor], *views: Tensor) -> None:
    """Forward and backward pass."""
    function(*(view.detach().requires_grad_() for view in views), TAU).mean().backward()


def measure(job: str, rivals: dict[str, Callable[..., Tensor]], num_nodes: int, views: list[Tensor]) -> list[Result]:
    """Compare on views of ``num_nodes`` nodes; the last of the rivals is ours."""
    names = list(rivals)
    return compare(
        f"{job}, forward + backward",
        f"N {num_nodes:,}, d {views[0].size(1)}",
        {name: functools.partial(step, function, *views) for name, function in rivals.items()},
        reference=names[0],
        goals={names[-1]: GOAL} if len(names) > 1 else None,
        repeats=3 if len(names) > 1 else 1,
    )


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Leave Physics' size out.

    Returns:
        The results.
    """
    num_nodes = 5_000
    z1, z2 = torch.randn(2, num_nodes, 256, generator=torch.Generator().manual_seed(0))
    rows = F.normalize(torch.cat([z1, z2]), dim=1)
    results = measure(
        "InfoNCE log-sum-exp", {"dense": dense_logsumexp, "graphml": contrastive_logsumexp}, num_nodes, [rows]
    )
    results += measure("InfoNCE loss", {"GRACE as published": grace, "graphml": info_nce}, num_nodes, [z1, z2])
    if not quick:
        views = torch.randn(2, 34_493, 256, generator=torch.Generator().manual_seed(0))
        results += measure("InfoNCE loss", {"graphml": info_nce}, 34_493, list(views))
    return results
