"""Decomposed estimation of mutual information: a chain of contrastive bounds on subviews that know more and more."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphml.losses.precision import full_precision


@full_precision
def conditional_info_nce(positive: Tensor, negatives: Tensor, log_weights: Tensor | None = None) -> Tensor:
    r"""Contrastive estimate of :math:`I(x; y \mid c)` in nats (Sordoni et al., ICML 2021, arXiv 2106.13401).

    .. math::
        \mathbb{E} \log \frac{e^{f(c, x, y_1)}}
        {\frac{1}{K} \left( e^{f(c, x, y_1)} + (K - 1) \sum_{k=2}^K w_k e^{f(c, x, y_k)} \right)}

    With negatives :math:`y_k \sim p(y \mid c)` and equal weights it is a lower bound for any critic :math:`f`, at most
    :math:`\log K`, and best for :math:`f = \log p(y \mid c, x) / p(y \mid c)`; without a condition it is InfoNCE.
    Negatives from the marginal :math:`p(y)` stand for those of the condition by importance weights
    :math:`w_k \propto e^{\psi(c, y_k)}`, :math:`\psi = \log p(y \mid c) / p(y)`. That is right as K grows, and **no
    bound for few negatives**: once :math:`I(c; y)` is about :math:`\log K`, one weight is nearly 1, its y is far from
    what :math:`x` allows, and the estimate goes to :math:`\log K` whatever there is to be measured.

    Args:
        positive: ``[N]`` critic's score of each anchor with its own y.
        negatives: ``[N, K - 1]`` scores with its negatives.
        log_weights: ``[N, K - 1]`` logarithms of the importance weights, up to a constant for each anchor; None for
            negatives that were drawn under the condition.

    Returns:
        Scalar mean over the anchors.

    Raises:
        ValueError: If the shapes do not fit, or there is no negative.
    """
    if positive.dim() != 1 or negatives.dim() != 2 or len(positive) != len(negatives) or not negatives.numel():
        raise ValueError(
            f"positive, negatives: expected [N] and [N, K - 1] with K >= 2, got {list(positive.shape)} and "
            f"{list(negatives.shape)}"
        )
    if log_weights is not None and log_weights.shape != negatives.shape:
        raise ValueError(f"log_weights: expected shape {list(negatives.shape)}, got {list(log_weights.shape)}")
    count = negatives.size(1)
    if log_weights is not None:
        negatives = negatives + log_weights.log_softmax(dim=1) + math.log(count)
    total = torch.logaddexp(positive, negatives.logsumexp(dim=1))
    return (positive - total).mean() + math.log(count + 1)


@full_precision
def decomposed_info_nce(first: Tensor, *others: Tensor) -> Tensor:
    r"""Estimates of the terms of :math:`I(x; y) = \sum_j I(x_j; y \mid x_{<j})` on a batch, in nats.

    All N of the batch's y are candidates for each anchor; those of the other anchors are the negatives, weighted at
    term j by the critics of the terms before it (`conditional_info_nce`, whose warning holds). No gradient goes through
    the weights: each critic is trained by its own term. With a single matrix this is InfoNCE.

    Args:
        first: ``[N, N]``, N >= 2, scores of the first term, :math:`I(x_1; y)`: row i holds those of anchor i's first
            subview with each y; its own is on the diagonal.
        *others: ``[N, N]`` of each term that follows: of the anchors' subviews up to this one.

    Returns:
        ``[J]`` estimates; their sum is that of :math:`I(x; y)`.

    Raises:
        ValueError: If the scores are no square matrices of one shape.
    """
    scores = (first, *others)
    _check(scores)
    terms = []
    past: Tensor | None = None
    for matrix in scores:
        terms.append(conditional_info_nce(matrix.diagonal(), _off_diagonal(matrix), past))
        own = _off_diagonal(matrix.detach())
        past = own if past is None else past + own
    return torch.stack(terms)


@full_precision
def boosted_info_nce(first: Tensor, *others: Tensor) -> Tensor:
    r"""InfoNCE of growing sums of critics, each trained to add what those before it miss (arXiv 2106.13401).

    Term j is InfoNCE of :math:`I(x_{\le j}; y)` with the critic :math:`\sum_{l<j} \operatorname{sg}(f_l) + f_j`, which
    is best where :math:`f_j = \log p(y \mid x_{\le j}) / p(y \mid x_{<j})` up to a constant. Every term bounds the
    information up to its subview and none exceeds :math:`\log N`: as an estimate only the last counts, and it is not
    larger than InfoNCE's; what is gained are the critics of the increments.

    Args:
        first: As for `decomposed_info_nce`.
        *others: Likewise.

    Returns:
        ``[J]`` bounds of the information of the first subviews; do not add them up.

    Raises:
        ValueError: If the scores are no square matrices of one shape.
    """
    scores = (first, *others)
    _check(scores)
    sums = itertools.accumulate((matrix.detach() for matrix in scores), initial=torch.zeros_like(scores[0]))
    boosted = [past + matrix for past, matrix in zip(sums, scores, strict=False)]
    return torch.stack([conditional_info_nce(matrix.diagonal(), _off_diagonal(matrix)) for matrix in boosted])


class DecomposedInfoNCE(nn.Module):
    """`decomposed_info_nce` as a loss: minus the sum of its terms."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Return the loss.

        Args:
            first: ``[N, N]`` scores of the first term, see `decomposed_info_nce`.
            *others: ``[N, N]`` of each term that follows.
        """
        return -decomposed_info_nce(first, *others).sum()


def _check(scores: Sequence[Tensor]) -> None:
    shapes = [list(matrix.shape) for matrix in scores]
    if any(shape != shapes[0] for shape in shapes) or len(shapes[0]) != 2 or len(set(shapes[0])) != 1:
        raise ValueError(f"first, others: expected square matrices [N, N] of one shape, got {shapes}")
    if shapes[0][0] < 2:
        raise ValueError(f"first: expected at least two anchors, got {shapes[0][0]}")


def _off_diagonal(matrix: Tensor) -> Tensor:
    """``[N, N - 1]`` rows without their entries on the diagonal."""
    size = matrix.size(0)
    return matrix.flatten()[1:].view(size - 1, size + 1)[:, :-1].reshape(size, size - 1)
