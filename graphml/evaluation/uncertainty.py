"""Predictive uncertainty, split into what the data leave open and what the models disagree about."""

from typing import NamedTuple

import torch
from torch import Tensor


class Uncertainty(NamedTuple):
    """What :func:`decompose` returns, in nats: ``total = aleatoric + epistemic``.

    Attributes:
        total: ``[N]`` entropy of the mean prediction, from 0 to ln C.
        aleatoric: ``[N]`` mean entropy of the predictions: ambiguity that more training data would not remove.
        epistemic: ``[N]`` mutual information of prediction and model: how far the models disagree.
    """

    total: Tensor
    aleatoric: Tensor
    epistemic: Tensor


def decompose(probabilities: Tensor) -> Uncertainty:
    """Split the entropy of the mean of several predictions into aleatoric and epistemic uncertainty.

    ``H[mean_s p_s] = mean_s H[p_s] + I``, the decomposition of Depeweg et al. (ICML 2018, "Decomposition of uncertainty
    in Bayesian deep learning for efficient and risk-sensitive learning"). The predictions are those of a deep ensemble
    (Lakshminarayanan et al., NeurIPS 2017) or of passes with dropout (Gal and Ghahramani, ICML 2016).

    Args:
        probabilities: ``[S, N, C]``, S predictions for N utterances, each row at least 0 and of sum 1.

    Returns:
        The three uncertainties, in double precision; with one prediction the epistemic one is 0.

    Raises:
        ValueError: If the shape is another, or a row is no distribution.

    Example:
        >>> import torch
        >>> agree, disagree = [[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]
        >>> [part.round(decimals=3).tolist() for part in decompose(torch.tensor([agree, disagree]))]
        [[0.693, 0.693], [0.693, 0.0], [0.0, 0.693]]
    """
    if probabilities.dim() != 3 or 0 in (probabilities.size(0), probabilities.size(2)):
        raise ValueError(f"probabilities: expected shape [S >= 1, N, C >= 1], got {list(probabilities.shape)}")
    p = check_distributions(probabilities.double())
    total = torch.special.entr(p.mean(0)).sum(-1)
    aleatoric = torch.special.entr(p).sum(-1).mean(0)
    # Entropy is concave, so the difference is negative by rounding only.
    return Uncertainty(total, aleatoric, (total - aleatoric).clamp_min(0))


def check_distributions(probabilities: Tensor) -> Tensor:
    """Refuse rows that are no distributions over the last dimension.

    Args:
        probabilities: ``[..., C]``.

    Returns:
        The same tensor.

    Raises:
        ValueError: If a number is negative or not finite, or a row does not sum to 1 within 0.001.
    """
    wrong = ~((probabilities >= 0).all(-1) & ((probabilities.sum(-1) - 1).abs() <= 1e-3))  # NaN is wrong too
    if bool(wrong.any()):
        raise ValueError(
            f"probabilities: expected rows of at least 0 that sum to 1, got others in {int(wrong.sum())} of "
            f"{wrong.numel()} rows, the first {probabilities[wrong][0].tolist()}; apply a softmax to logits first"
        )
    return probabilities
