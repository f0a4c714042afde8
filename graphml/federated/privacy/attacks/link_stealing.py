"""Link stealing: which nodes of the training graph are linked, from the model's answers."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from graphml.federated.privacy.attacks.leakage import Leakage, decision_metrics
from graphml.federated.privacy.attacks.node_pairs import DISTANCES, Matrix, NodePairs, pair_distances, pair_features
from graphml.ops import as_dense

METRIC = "correlation"
"""Distance of the unsupervised attacks' headline figures: fixed, since who has no labels cannot choose the best."""

EPOCHS = 50
"""Of training the adversary's perceptrons, as in the authors' code."""


def steal_links(posteriors: Tensor, pairs: NodePairs) -> Leakage:
    """Attack-0: linked nodes get similar answers (He et al., USENIX Security 2021, arXiv 2005.02131, section 4.2).

    Adversary: someone who queries the model for nodes of the graph that it computes on, and knows nothing else.

    Args:
        posteriors: The model's answers, probabilities [n, C].
        pairs: Pairs to decide on.

    Returns:
        `decision_metrics` by the correlation distance, and ``auc_<distance>`` of each of the eight.
    """
    return _by_distance("link_stealing_0", -pair_distances(posteriors, pairs.nodes), pairs)


def steal_links_with_features(posteriors: Tensor, reference: Tensor, x: Tensor, pairs: NodePairs) -> Leakage:
    """Attack-2: linked nodes' answers and features are alike (section 4.2).

    The paper scores pairs by the features' distance, or by how much nearer the model's answers are than those of a
    model that knows no graph. The headline here is a plain combination that is not in the paper: the sum of the
    distances of answers and of features, each in units of its standard deviation.

    Adversary: someone who queries the model, and knows the features of the graph's nodes and labels of some.

    Args:
        posteriors: The model's answers, probabilities [n, C].
        reference: Those of a model that knows no graph (`reference_posteriors`) [n, C].
        x: Features [n, F].
        pairs: Pairs to decide on.

    Returns:
        `decision_metrics` by the sum of correlation distances, ``auc_<distance>`` of each of the eight, and the
        paper's ``auc_features`` and ``auc_difference`` by the correlation distance.
    """
    answers, features = pair_distances(posteriors, pairs.nodes), pair_distances(x, pairs.nodes)
    gain = pair_distances(reference, pairs.nodes) - answers
    found = _by_distance("link_stealing_2", -(_in_deviations(answers) + _in_deviations(features)), pairs)
    paper = {"auc_features": -features, "auc_difference": gain}
    aucs = {name: _by_distance(name, scores, pairs).metrics["auc"] for name, scores in paper.items()}
    return Leakage(found.attack, found.metrics | aucs)


def steal_links_knowing_some(posteriors: Tensor, known: NodePairs, pairs: NodePairs, seed: int) -> Leakage:
    """Attack-3: a classifier that has learnt from known links (section 4.3).

    Adversary: someone who queries the model, and knows some of the graph's links (and pairs without one).

    Args:
        posteriors: The model's answers, probabilities [n, C].
        known: Pairs that are known.
        pairs: Pairs to decide on, none of them known.
        seed: Seed of the classifier.

    Returns:
        `decision_metrics`.

    Raises:
        ValueError: If a pair is known, or the known ones are not of both kinds.
    """
    return _supervised("link_stealing_3", _answers(posteriors, known), _answers(posteriors, pairs), known, pairs, seed)


def steal_links_knowing_some_and_features(
    posteriors: Tensor, reference: Tensor, x: Tensor, known: NodePairs, pairs: NodePairs, seed: int
) -> Leakage:
    """Attack-6: attack-3 that also sees the nodes' features (section 4.3).

    Adversary: someone who queries the model, and knows the features of the graph's nodes, labels of some, and some of
    the links (and pairs without one).

    Args:
        posteriors: The model's answers, probabilities [n, C].
        reference: Those of a model that knows no graph (`reference_posteriors`) [n, C].
        x: Features [n, F].
        known: Pairs that are known.
        pairs: Pairs to decide on, none of them known.
        seed: Seed of the classifier.

    Returns:
        `decision_metrics`.

    Raises:
        ValueError: If a pair is known, or the known ones are not of both kinds.
    """
    rows = [
        np.concatenate([_answers(posteriors, part), _answers(reference, part), pair_distances(x, part.nodes)], axis=1)
        for part in (known, pairs)
    ]
    return _supervised("link_stealing_6", rows[0], rows[1], known, pairs, seed)


def reference_posteriors(x: Tensor, y: Tensor, labelled: Tensor, num_classes: int, seed: int) -> Tensor:
    """Answers of a model that knows no graph: a perceptron on the nodes' features (section 4.2).

    Args:
        x: Features [n, F], dense or sparse.
        y: Labels [n]; those of the labelled nodes count.
        labelled: Nodes whose label is known, bool [n], at least one.
        num_classes: Number of classes C.
        seed: Seed of the perceptron.

    Returns:
        Probabilities, float64 [n, C]; 0 for classes that no labelled node has.

    Raises:
        ValueError: If no node is labelled.
    """
    if not labelled.any():
        raise ValueError("labelled: expected at least one node, got none")
    dense = as_dense(x).double().numpy()
    features = scipy.sparse.csr_array(dense)  # bags of words: several times as fast
    model = _trained(
        MLPClassifier((16,), learning_rate_init=0.01, max_iter=EPOCHS, random_state=seed),
        features[labelled.numpy()],
        y[labelled],
    )
    out = torch.zeros(len(dense), num_classes, dtype=torch.float64)
    out[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(features)).double()
    return out


def _trained(model: Any, rows: Any, truth: Tensor) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is meant
        return model.fit(rows, truth.numpy())


def _in_deviations(distances: Matrix) -> Matrix:
    deviation = distances.std(axis=0)
    scaled: Matrix = distances / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _by_distance(attack: str, scores: Matrix, pairs: NodePairs) -> Leakage:
    found = {name: decision_metrics(scores[:, i], pairs.linked.numpy()) for i, name in enumerate(DISTANCES)}
    return Leakage(attack, found[METRIC] | {f"auc_{name}": metrics["auc"] for name, metrics in found.items()})


def _answers(posteriors: Tensor, pairs: NodePairs) -> Matrix:
    """Distances of the answers of a pair, and functions of these answers and of their entropies."""
    entropy = torch.special.entr(posteriors.double()).sum(dim=1, keepdim=True)
    together = torch.cat([posteriors.double(), entropy], dim=1)
    return np.concatenate([pair_distances(posteriors, pairs.nodes), pair_features(together, pairs.nodes)], axis=1)


def _supervised(
    attack: str, learnt_from: Matrix, asked: Matrix, known: NodePairs, pairs: NodePairs, seed: int
) -> Leakage:
    linked = known.linked
    if linked.all() or not linked.any():
        raise ValueError(f"known: expected linked and unlinked pairs, got {int(linked.sum())} linked of {len(linked)}")
    both = set(zip(*known.nodes.tolist(), strict=True)) & set(zip(*pairs.nodes.tolist(), strict=True))
    if both:
        raise ValueError(f"pairs: expected none that is known, got {len(both)} of them")
    model = make_pipeline(StandardScaler(), MLPClassifier((32, 32), max_iter=EPOCHS, random_state=seed))
    scores = _trained(model, learnt_from, linked).predict_proba(asked)[:, 1]
    return Leakage(attack, decision_metrics(scores, pairs.linked.numpy()))
