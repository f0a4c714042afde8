"""DEMI: contrast a view with subviews of another that show more and more of its features."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.losses.demi import DecomposedInfoNCE
from graphml.nn.feature_linear import mask_columns
from graphml.tasks.objectives.objective import TwoViewObjective
from graphml.tasks.task import num_seeds


class DEMI(TwoViewObjective):
    r"""Decomposed InfoNCE over progressively masked subviews (after Sordoni et al., ICML 2021, arXiv 2106.13401).

    The first view x is shown in J steps: subview j hides the share ``subview_mask[j]`` of the features besides those
    that the view masks itself, each subview a part of the next, the last is x. The loss is minus the estimate of
    :math:`I(x_1; y) + \sum_j I(x_j; y \mid x_{j-1})` with the second view y (`graphml.losses.decomposed_info_nce`):
    what a subview adds must be told from nodes that look alike in the subview before it.

    A **reconstruction** for graphs: the paper has images and dialogues. Ours are feature masks as subviews, nodes as
    anchors and negatives, the critics (cosines over a temperature, of a projection of :math:`[x_{j-1}, x_j]` and one
    of y; at the first step one projector for both, as `InfoNCE` has it), and that one view alone is decomposed.
    Without ``subview_mask`` it is InfoNCE between the views, in one direction and without the negatives of a node's
    own view: the control of the decomposition.

    Args:
        encoder: The encoder, with ``in_channels`` and ``out_channels``.
        projection: Width of the projectors' layers.
        tau: Temperature.
        edge_drop: Probabilities of dropping an edge in the first and in the second view.
        feature_mask: Probabilities of masking a feature in the first and in the second view.
        subview_mask: Share of the features that each subview but the last hides, in (0, 1), falling.
        num_samples: Number of nodes drawn as anchors and negatives of a step when the batch has more than
            ``sample_above``; the loss holds J matrices of their pairs.
        sample_above: Largest number of nodes for which every pair is used.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: int = 128,
        tau: float = 0.5,
        edge_drop: tuple[float, float] = (0.3, 0.4),
        feature_mask: tuple[float, float] = (0.3, 0.4),
        subview_mask: Sequence[float] = (0.5,),
        num_samples: int = 1024,
        sample_above: int = 1024,
    ) -> None:
        super().__init__(encoder, edge_drop, feature_mask)
        if not tau > 0:
            raise ValueError(f"tau: expected a temperature > 0, got {tau}")
        if num_samples < 2:
            raise ValueError(f"num_samples: expected an integer >= 2, got {num_samples}")
        shares = [1.0, *subview_mask, 0.0]
        if any(not more < share for share, more in itertools.pairwise(shares)):
            raise ValueError(f"subview_mask: expected falling shares in (0, 1), got {list(subview_mask)}")
        self.tau, self.subview_mask = tau, tuple(subview_mask)
        self.num_samples, self.sample_above = num_samples, sample_above
        self.loss = DecomposedInfoNCE()
        self.first = _projector(self.channels, projection)
        self.joint = nn.ModuleList(_projector(2 * self.channels, projection) for _ in self.subview_mask)
        self.target = nn.ModuleList(_projector(self.channels, projection) for _ in self.subview_mask)

    def forward(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> Tensor:
        """Loss of one pair of views."""
        subviews, target = self.embed_subviews(encoder, batch, generator)
        if target.size(0) > self.sample_above:
            chosen = torch.randperm(target.size(0), generator=generator, device=generator.device)[: self.num_samples]
            chosen = chosen.to(target.device)
            subviews, target = [z[chosen] for z in subviews], target[chosen]
        scores = [self._cosines(self.first(subviews[0]), self.first(target))]
        steps = itertools.pairwise(subviews)
        for (before, after), joint, own in zip(steps, self.joint, self.target, strict=True):
            scores.append(self._cosines(joint(torch.cat([before, after], dim=1)), own(target)))
        loss: Tensor = self.loss(*scores)
        return loss

    def embed_subviews(self, encoder: nn.Module, batch: Any, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
        """Embed a fresh view, step by step, and another.

        Args:
            encoder: The encoder.
            batch: A batch of the loader.
            generator: Where the views come from.

        Returns:
            ``[num_seeds, d]`` of each subview of the first view, the last of all of it, and of the second view.
        """
        density, seeds = getattr(batch, "density", None), num_seeds(batch)
        first, second = (views.draw(batch.x, batch.edge_index, generator) for views in self.views)  # type: ignore[operator]
        number = torch.rand(first.x.size(1), generator=generator, device=generator.device).to(first.x.device)
        shown = [mask_columns(first.x, number >= share) for share in self.subview_mask]
        graph = (batch.edge_index, first.edge_weight, density)
        subviews = [encoder(x, *graph)[:seeds] for x in (*shown, first.x)]
        return subviews, encoder(second.x, batch.edge_index, second.edge_weight, density)[:seeds]

    def _cosines(self, anchors: Tensor, candidates: Tensor) -> Tensor:
        return F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T / self.tau


def _projector(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, width), nn.ELU(), nn.Linear(width, width))
