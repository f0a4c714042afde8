"""How near a reconstructed graph is to the client's."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score
from torch import Tensor

from graphml.federated.privacy.attacks.gradient_inversion import Reconstruction
from graphml.federated.privacy.attacks.leakage import Leakage


def match_nodes(found: Tensor, x: Tensor) -> Tensor:
    """The order of reconstructed nodes in which their features are nearest to the client's.

    Args:
        found: Reconstructed features [n, F].
        x: The client's features [n, F].

    Returns:
        Numbers of rows of ``found``, int64 [n]: row ``order[i]`` stands for node i.
    """
    cost = torch.cdist(x.double(), found.double()).square().numpy()
    return torch.from_numpy(linear_sum_assignment(cost)[1])


def reconstruction_leakage(attack: str, found: Reconstruction, x: Tensor, adjacency: Tensor, ordered: bool) -> Leakage:
    """Compare a reconstruction with the truth.

    Args:
        attack: Name of the attack.
        found: The reconstruction.
        x: The client's features, dense [n, F].
        adjacency: The client's adjacency without self-loops [n, n].
        ordered: Whether the server knows which node is which, as it does where it knows the features. Known edges do
            not tell: nodes that are placed alike, such as leaves of a star, can be exchanged. If not, nodes are matched
            first, which flatters the figures a little: compare with those of a random guess.

    Returns:
        ``feature_mse``; ``feature_nmse``, the same in units of the features' mean square (1 is what zeros get);
        ``feature_cosine``, mean over the nodes; ``edge_auc`` over pairs of nodes (0.5 is chance; NaN where all or no
        pairs are linked, without meaning where the edges were known); ``distance`` of the gradients.

    Raises:
        ValueError: If the shapes differ.
    """
    if found.x.shape != x.shape or found.adjacency.shape != adjacency.shape:
        raise ValueError(f"x: expected the shape {list(found.x.shape)} of the reconstruction, got {list(x.shape)}")
    order = torch.arange(len(x)) if ordered else match_nodes(found.x, x)
    features, scores, x = found.x[order], found.adjacency[order][:, order], x.double()
    mse = float((features - x).square().mean())
    metrics = {
        "feature_mse": mse,
        "feature_nmse": mse / max(float(x.square().mean()), np.finfo(np.float64).tiny),
        "feature_cosine": float(torch.cosine_similarity(features, x, dim=1).mean()),
        "edge_auc": _edge_auc(scores, adjacency),
        "distance": found.distance,
    }
    return Leakage(attack, metrics)


def _edge_auc(scores: Tensor, adjacency: Tensor) -> float:
    row, col = torch.triu_indices(len(scores), len(scores), offset=1)
    linked = adjacency[row, col].bool().numpy()
    if linked.all() or not linked.any():
        return float("nan")
    return float(roc_auc_score(linked, scores[row, col].numpy()))
