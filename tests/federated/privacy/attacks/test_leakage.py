import math

import numpy as np
import pytest
from scipy.stats import ks_2samp, mannwhitneyu

from graphml.federated.privacy.attacks import decision_metrics


def test_figures_are_those_of_rank_statistics():
    rng = np.random.default_rng(0)
    scores, positive = rng.normal(size=300).round(1), rng.random(300) < 0.3
    scores[positive] += 0.5
    found = decision_metrics(scores, positive)
    inside, outside = scores[positive], scores[~positive]
    assert found["auc"] == pytest.approx(mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside)))
    assert found["advantage"] == pytest.approx(ks_2samp(inside, outside, alternative="less").statistic)
    rates = [(np.mean(inside >= t), np.mean(outside >= t)) for t in [*np.unique(scores), np.inf]]
    assert found["tpr_at_1_percent_fpr"] == pytest.approx(max(hit for hit, miss in rates if miss <= 0.01))


def test_without_both_kinds_nothing_is_defined():
    assert all(math.isnan(value) for value in decision_metrics([0.1, 0.2], [True, True]).values())


def test_other_lengths_and_scores_that_are_not_finite_are_errors():
    with pytest.raises(ValueError, match=r"scores: expected one for each of \(2,\) truths, got \(1,\)"):
        decision_metrics([0.1], [True, False])
    with pytest.raises(ValueError, match="scores: expected finite numbers, got 1 that are not"):
        decision_metrics([0.1, math.nan], [True, False])
