"""What an attack has learnt, in one form for all attacks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score, roc_curve


@dataclass(frozen=True)
class Leakage:
    """The figures of one attack.

    Attributes:
        attack: Name of the attack.
        metrics: Figures by name; NaN where one is not defined, such as an AUC without positives.
    """

    attack: str
    metrics: dict[str, float]


def decision_metrics(scores: ArrayLike, positive: ArrayLike) -> dict[str, float]:
    """How well scores tell positives from negatives, whatever the threshold.

    Args:
        scores: Scores [m], finite, higher where the attack thinks more of "positive".
        positive: The truth, bool [m].

    Returns:
        ``auc`` (0.5 is chance), ``advantage`` (the largest true minus false positive rate of all thresholds, at least
        0) and ``tpr_at_1_percent_fpr`` (Carlini et al., S&P 2022, arXiv 2112.03570); NaN unless both kinds are there.

    Raises:
        ValueError: If the lengths differ or a score is not finite.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.shape != positive.shape or scores.ndim != 1:
        raise ValueError(f"scores: expected one for each of {positive.shape} truths, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores: expected finite numbers, got {int((~np.isfinite(scores)).sum())} that are not")
    if positive.all() or not positive.any():
        return dict.fromkeys(("auc", "advantage", "tpr_at_1_percent_fpr"), float("nan"))
    false_rate, true_rate, _ = roc_curve(positive, scores)
    return {
        "auc": float(roc_auc_score(positive, scores)),
        "advantage": float((true_rate - false_rate).max()),
        "tpr_at_1_percent_fpr": float(true_rate[false_rate <= 0.01].max()),
    }
