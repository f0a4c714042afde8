import functools

import numpy as np
import pytest
import torch
from scipy.spatial.distance import correlation
from scipy.stats import mannwhitneyu

from graphml.data import NodeDataModule
from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import (
    NodePairs,
    local_update,
    posteriors,
    reference_posteriors,
    sample_pairs,
    steal_links,
    steal_links_knowing_some,
    steal_links_knowing_some_and_features,
    steal_links_with_features,
)
from graphml.federated.weights import weights_of
from graphml.models import GCN
from graphml.tasks import NodeClassificationTask

TRAINING = LocalTraining(60, functools.partial(torch.optim.SGD, lr=0.25, weight_decay=5e-4))


def split(pairs: NodePairs, known: int) -> tuple[NodePairs, NodePairs]:
    return (
        NodePairs(pairs.nodes[:, :known], pairs.linked[:known]),
        NodePairs(pairs.nodes[:, known:], pairs.linked[known:]),
    )


@pytest.fixture
def answers(task, graphs) -> torch.Tensor:
    weights = weights_of(task)
    update = local_update(task, weights, graphs[3], TRAINING, seed=0)
    return posteriors(task, {name: weights[name] + change for name, change in update.items()}, graphs[3])


@pytest.fixture
def pairs(graphs) -> NodePairs:
    return sample_pairs(graphs[3].edge_index, graphs[3].num_nodes, torch.Generator().manual_seed(0))


def test_the_unsupervised_attack_is_the_auc_of_scipys_correlation(answers, pairs):
    found = steal_links(answers, pairs).metrics
    gaps = np.array([correlation(answers[a], answers[b]) for a, b in pairs.nodes.t().tolist()])
    linked = pairs.linked.numpy()
    rank = mannwhitneyu(-gaps[linked], -gaps[~linked]).statistic / (linked.sum() * (~linked).sum())
    assert found["auc"] == pytest.approx(rank)
    assert found["auc"] == found["auc_correlation"]
    assert len([name for name in found if name.startswith("auc_")]) == 8
    assert found["auc"] > 0.6


def test_features_are_one_more_witness(graphs, answers, pairs):
    data = graphs[3]
    reference = reference_posteriors(data.x, data.y, data.train_mask, 3, seed=0)
    found = steal_links_with_features(answers, reference, data.x, pairs).metrics
    assert {"auc_features", "auc_difference"} < found.keys()
    uniform = torch.full_like(reference, 1 / 3)
    same = steal_links_with_features(answers, uniform, torch.ones_like(data.x), pairs).metrics
    assert same["auc"] == pytest.approx(steal_links(answers, pairs).metrics["auc"])
    assert same["auc_features"] == 0.5


def test_known_links_are_learnt_from(graphs, answers, pairs):
    data, (known, rest) = graphs[3], split(pairs, 80)
    reference = reference_posteriors(data.x, data.y, data.train_mask, 3, seed=0)
    by_answers = steal_links_knowing_some(answers, known, rest, seed=0)
    by_all = steal_links_knowing_some_and_features(answers, reference, data.x, known, rest, seed=0)
    assert by_answers.metrics["auc"] > 0.6
    assert by_all.metrics["auc"] > 0.6
    assert steal_links_knowing_some(answers, known, rest, seed=0) == by_answers
    assert steal_links_knowing_some_and_features(answers, reference, data.x, known, rest, seed=0) == by_all


def test_the_reference_knows_no_graph_and_lacks_unseen_classes():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 2 * 2
    x = torch.randn(60, 20, generator=generator) + 2 * y[:, None]
    found = reference_posteriors(x, y, torch.arange(60) < 40, 3, seed=1)
    torch.testing.assert_close(found.sum(1), torch.ones(60, dtype=torch.float64))
    assert (found[:, 1] == 0).all()
    assert (found[40:].argmax(1) == y[40:]).double().mean() > 0.8
    assert torch.equal(found, reference_posteriors(x.to_sparse_csr(), y, torch.arange(60) < 40, 3, seed=1))


def test_what_cannot_be_learnt_from_is_an_error(answers, pairs):
    known, rest = split(pairs, 80)
    with pytest.raises(ValueError, match="pairs: expected none that is known, got 80 of them"):
        steal_links_knowing_some(answers, known, pairs, seed=0)
    only = NodePairs(known.nodes[:, known.linked], known.linked[known.linked])
    with pytest.raises(ValueError, match="known: expected linked and unlinked pairs"):
        steal_links_knowing_some(answers, only, rest, seed=0)
    with pytest.raises(ValueError, match="labelled: expected at least one node, got none"):
        reference_posteriors(torch.ones(2, 1), torch.zeros(2), torch.zeros(2, dtype=torch.bool), 2, seed=0)


def test_links_of_cora_are_stolen(data_root):
    module = NodeDataModule("Cora", root=str(data_root), self_loops=True, sparse_features=True, train_fraction=0.6)
    torch.manual_seed(0)
    task = NodeClassificationTask(1433, 7, model=GCN)
    weights = weights_of(task)
    update = local_update(task, weights, module.data, TRAINING, seed=0)
    answers = posteriors(task, {name: weights[name] + change for name, change in update.items()}, module.data)
    pairs = sample_pairs(module.data.edge_index, 2708, torch.Generator().manual_seed(0), num_links=1000)
    known, rest = split(pairs, 400)
    assert steal_links(answers, rest).metrics["auc"] > 0.85
    assert steal_links_knowing_some(answers, known, rest, seed=0).metrics["auc"] > 0.85
