"""Membership inference by the loss: what a model has been trained on, it knows better."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.federated.privacy.attacks.leakage import Leakage, decision_metrics


def losses(posteriors: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each node.

    Args:
        posteriors: Probabilities [n, C].
        y: Labels, int64 [n].

    Returns:
        Losses, float64 [n]; finite: a probability of 0 counts as the smallest that is not.
    """
    smallest = torch.finfo(torch.float64).tiny
    return F.nll_loss(posteriors.double().clamp_min(smallest).log(), y, reduction="none")


def loss_threshold(posteriors: Tensor, y: Tensor, members: Tensor, others: Tensor) -> Leakage:
    """Take for a member whose loss is small (Yeom et al., CSF 2018, arXiv 1709.01604, adversary 2).

    Adversary: someone who queries the model with nodes whose labels it knows, and knows the mean training loss.

    Args:
        posteriors: The model's answers, probabilities [n, C].
        y: Labels [n].
        members: Training nodes of the client, bool [n].
        others: Nodes of the same graph that it was not trained on, bool [n].

    Returns:
        `decision_metrics` of the loss, and ``threshold_advantage``: true minus false positive rate at the threshold
        that the paper sets, the mean training loss.

    Raises:
        ValueError: If a node is both, or there are no nodes of one kind.
    """
    check_members(members, others)
    loss = losses(posteriors, y)
    inside, outside = loss[members], loss[others]
    threshold = inside.mean()
    gap = (inside <= threshold).double().mean() - (outside <= threshold).double().mean()
    scores = -torch.cat([inside, outside])
    truth = torch.arange(len(scores)) < len(inside)
    return Leakage("membership_loss", decision_metrics(scores, truth) | {"threshold_advantage": float(gap)})


def check_members(members: Tensor, others: Tensor) -> None:
    """Refuse masks that membership cannot be measured on.

    Args:
        members: Training nodes, bool [n].
        others: Nodes that are no training nodes, bool [n].

    Raises:
        ValueError: If a node is both, or there are no nodes of one kind.
    """
    both = int((members & others).sum())
    if both or not members.any() or not others.any():
        raise ValueError(
            f"members, others: expected some of each and no node that is both, got {int(members.sum())} members, "
            f"{int(others.sum())} others and {both} that are both"
        )
