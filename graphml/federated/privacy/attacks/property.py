"""Property inference: what a client's update tells about its data as a whole."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch_geometric.data import Data
from torch_geometric.utils import homophily

from graphml.federated.privacy.attacks.leakage import Leakage, decision_metrics
from graphml.federated.privacy.attacks.subgraph import plain
from graphml.federated.weights import Weights


def property_inference(
    shadow_updates: Sequence[Weights],
    shadow_has: Sequence[bool],
    updates: Sequence[Weights],
    has: Sequence[bool],
) -> Leakage:
    """Learn from updates of made-up clients which clients have a property (Melis et al., S&P 2019, arXiv 1805.04049).

    The classifier is a logistic regression on all entries of an update. Each tensor is divided by its mean norm over
    the made-up clients' updates, or the few entries of a bias, which tell most of the labels, would count for nothing
    beside the many of a weight matrix.

    Adversary: honest-but-curious server with graphs of the same kind, which it deals to made-up clients
    (`small_client`) and trains on as clients do (`local_update`); where clients add noise, so does it to these updates.

    Args:
        shadow_updates: Updates of made-up clients by name, as `local_update` returns them.
        shadow_has: Whether each of them has the property; some have and some have not.
        updates: Updates of the clients under attack.
        has: Whether each of those has it: the truth.

    Returns:
        `decision_metrics`.

    Raises:
        ValueError: If numbers of updates and truths differ, or all made-up clients are alike.
    """
    for name, given, truth in (("shadow_has", shadow_updates, shadow_has), ("has", updates, has)):
        if len(given) != len(truth):
            raise ValueError(f"{name}: expected {len(given)} truths, one an update, got {len(truth)}")
    if len(set(shadow_has)) < 2:
        raise ValueError("shadow_has: expected clients with and without the property, got all of one kind")
    norms = {
        name: float(np.mean([float(update[name].double().norm()) for update in shadow_updates]))
        for name in shadow_updates[0]
    }
    model = LogisticRegression(max_iter=1000).fit(_rows(shadow_updates, norms), np.asarray(shadow_has, bool))
    return Leakage("property", decision_metrics(model.decision_function(_rows(updates, norms)), has))


def _rows(updates: Sequence[Weights], norms: dict[str, float]) -> NDArray[np.float64]:
    rows = [torch.cat([u[name].double().flatten() / norm for name, norm in norms.items() if norm]) for u in updates]
    return torch.stack(rows).numpy()


def class_share(data: Data, label: int) -> float:
    """Share of the training nodes that are of a class: a property to infer.

    Args:
        data: The client's graph with ``train_mask``.
        label: The class.
    """
    return float((data.y[data.train_mask] == label).double().mean())


def edge_homophily(data: Data) -> float:
    """Share of the edges, but self-loops, between nodes of the same class: a property to infer; NaN without edges.

    Args:
        data: The client's graph.
    """
    edges = plain(data.edge_index)
    edges = edges[:, edges[0] != edges[1]]
    return float(homophily(edges, data.y, method="edge")) if edges.size(1) else float("nan")


def above_median(values: Sequence[float], reference: Sequence[float]) -> list[bool]:
    """Turn a number into a property: whether it is above the median of other clients'.

    Args:
        values: The clients' numbers.
        reference: The made-up clients' numbers, whose median is the threshold.
    """
    threshold = float(np.median(reference))
    return [value > threshold for value in values]
