import functools

import numpy as np
import pytest
import torch

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import ShadowMembership, local_update, loss_threshold, posteriors
from graphml.federated.privacy.attacks.shadow_membership import attack_features
from graphml.federated.weights import weights_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask

BY_HEART = LocalTraining(60, functools.partial(torch.optim.Adam, lr=0.05))


@pytest.fixture(scope="module")
def federation():
    """Two clients whose labels are noise, so that a model can only learn them by heart; the first one's model."""
    graphs = []
    for seed in (0, 1):
        graph = contextual_sbm(num_nodes=80, num_classes=3, num_features=40, average_degree=2, seed=seed)
        graph.y = torch.randint(3, (80,), generator=torch.Generator().manual_seed(seed))
        graphs.append(NodeDataModule.from_data(graph, self_loops=True, train_fraction=0.5).data)
    torch.manual_seed(0)
    task = NodeClassificationTask(40, 3, model=functools.partial(GCN, hidden_channels=32, dropout=0.0))
    weights = weights_of(task)
    update = local_update(task, weights, graphs[0], BY_HEART, seed=0)
    trained = {name: weights[name] + change for name, change in update.items()}
    return task, weights, graphs, posteriors(task, trained, graphs[0])


def test_members_are_told_by_what_a_shadow_model_shows(federation):
    task, weights, (target, shadow), answers = federation
    attack = ShadowMembership(task, weights, BY_HEART, num_shadows=1)
    masks = target.train_mask, target.val_mask | target.test_mask
    found = attack(answers, target.y, *masks, shadow)
    assert found.metrics["auc"] > 0.8
    assert loss_threshold(answers, target.y, *masks).metrics["auc"] > 0.8
    assert attack(answers, target.y, *masks, shadow) == found
    assert all(torch.equal(value, weights[name]) for name, value in weights_of(task).items())


def test_of_an_untrained_model_nothing_is_learnt(federation):
    task, weights, (target, shadow), _ = federation
    answers = posteriors(task, weights, target)
    attack = ShadowMembership(task, weights, BY_HEART)
    found = attack(answers, target.y, target.train_mask, target.val_mask | target.test_mask, shadow)
    assert 0.3 < found.metrics["auc"] < 0.7


def test_the_classifier_sees_sorted_probabilities_and_the_loss():
    answers = torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], dtype=torch.float64)
    found = attack_features(answers, torch.tensor([0, 0]))
    np.testing.assert_allclose(found, [[0.7, 0.2, 0.1, -np.log(0.2)], [0.5, 0.25, 0.25, -np.log(0.5)]])


def test_no_shadow_and_overlapping_masks_are_errors(federation):
    task, weights, (target, shadow), answers = federation
    with pytest.raises(ValueError, match="num_shadows: expected at least 1, got 0"):
        ShadowMembership(task, weights, BY_HEART, num_shadows=0)
    with pytest.raises(ValueError, match="members, others: expected some of each"):
        ShadowMembership(task, weights, BY_HEART)(answers, target.y, target.train_mask, target.train_mask, shadow)
