import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from graphml.federated.privacy.attacks import loss_threshold
from graphml.federated.privacy.attacks.membership import losses

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(40, 3, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(3, (40,), generator=GENERATOR)
MEMBERS = torch.arange(40) < 15
OTHERS = torch.arange(40) >= 20  # five nodes are neither


def test_figures_are_those_of_the_cross_entropy():
    found = loss_threshold(LOGITS.softmax(1), Y, MEMBERS, OTHERS).metrics
    loss = F.cross_entropy(LOGITS, Y, reduction="none").numpy()
    chosen = (MEMBERS | OTHERS).numpy()
    assert found["auc"] == pytest.approx(roc_auc_score(MEMBERS.numpy()[chosen], -loss[chosen]))
    threshold = loss[MEMBERS].mean()
    gap = np.mean(loss[MEMBERS] <= threshold) - np.mean(loss[OTHERS] <= threshold)
    assert found["threshold_advantage"] == pytest.approx(gap)


def test_a_model_that_knows_its_members_by_heart_gives_them_away():
    logits = F.one_hot(Y, 3).double() * 20
    logits[OTHERS] = logits[OTHERS].roll(1, dims=1)
    found = loss_threshold(logits.softmax(1), Y, MEMBERS, OTHERS).metrics
    assert found["auc"] == found["advantage"] == found["tpr_at_1_percent_fpr"] == 1


def test_probabilities_of_0_have_a_finite_loss():
    found = losses(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([1, 0]))
    assert found.isfinite().all()
    assert found[1] == pytest.approx(math.log(2))


def test_masks_that_overlap_or_are_empty_are_errors():
    with pytest.raises(ValueError, match="got 15 members, 40 others and 15 that are both"):
        loss_threshold(LOGITS.softmax(1), Y, MEMBERS, torch.ones(40, dtype=torch.bool))
    with pytest.raises(ValueError, match="got 0 members, 20 others and 0 that are both"):
        loss_threshold(LOGITS.softmax(1), Y, torch.zeros(40, dtype=torch.bool), OTHERS)
