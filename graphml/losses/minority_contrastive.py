"""Supervised contrastive loss in which rare classes weigh as much as frequent ones."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.losses.minority_augmentation import augment_minority
from graphml.losses.precision import full_precision


@full_precision
def minority_contrastive_loss(z: Tensor, labels: Tensor, tau: float = 0.2, gamma: float = 0.0) -> Tensor:
    r"""Class-balanced supervised contrastive loss with focal weights.

    .. math::
        \mathcal{L} = -\frac{1}{|C|} \sum_{c \in C} \frac{1}{|B_c|} \sum_{i \in B_c} \frac{1}{|B_c| - 1}
        \sum_{p \in B_c \setminus i} (1 - q_{ip})^\gamma \log q_{ip}, \qquad
        q_{ip} = \frac{e^{s_{ip}} / |B_c|}{\sum_{k} \frac{1}{|B_k|} \sum_{j \in B_k \setminus i} e^{s_{ij}}}

    with cosines over ``tau`` as :math:`s`. Anchors are averaged within their class first (the weighting of MultiEMO's
    SWFC, ACL 2023, which also brings the focal exponent), and so is the denominator (balanced contrastive learning,
    Zhu et al., `arXiv 2207.09052 <https://arxiv.org/abs/2207.09052>`_): a frequent class repels no more than a rare
    one. DER-GCN's abstract says that a contrastive loss strengthens minority classes, and no more; this is our choice.

    Args:
        z: ``[N, d]`` embeddings; need not be normalised.
        labels: ``[N]`` classes, -1 for unknown (left out).
        tau: Temperature, > 0.
        gamma: Focal exponent, >= 0: more weight on pairs that are far apart; 0 for none.

    Returns:
        Scalar loss; 0 where no class has two members.

    Raises:
        ValueError: Shapes that do not fit, or a temperature or exponent out of range.
    """
    if z.dim() != 2 or labels.shape != z.shape[:1]:
        raise ValueError(f"z, labels: expected [N, d] and [N], got {list(z.shape)}, {list(labels.shape)}")
    if tau <= 0 or gamma < 0:
        raise ValueError(f"tau, gamma: expected > 0 and >= 0, got {tau}, {gamma}")
    known = labels >= 0
    z, labels = F.normalize(z[known], dim=1), labels[known]
    counts = torch.bincount(labels)[labels].to(z.dtype) if labels.numel() else z.new_zeros(0)
    anchors = counts > 1
    if not anchors.any():
        return z.sum() * 0.0
    # Each class's exponentials as their mean.
    scores = torch.addmm(-counts.log(), z / tau, z.T).fill_diagonal_(-torch.inf)
    sums = _focal_sums(scores, labels, gamma) if gamma else _plain_sums(scores, z, labels, counts, tau)
    mean = sums[anchors] / (counts[anchors] - 1)
    loss: Tensor = -(mean / counts[anchors]).sum() / labels[anchors].unique().numel()
    return loss


def _focal_sums(scores: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """Sum of the weighted logarithms over each anchor's class."""
    same = (labels[:, None] == labels[None, :]).fill_diagonal_(False)
    log_share = scores.log_softmax(dim=1).masked_fill(~same, 0.0)
    focal = (1 - log_share.exp()).clamp(min=1e-6).pow(gamma)  # a root of 0 has no derivative
    return (focal * log_share).sum(1)


def _plain_sums(scores: Tensor, z: Tensor, labels: Tensor, counts: Tensor, tau: float) -> Tensor:
    """The same without weights: a class's cosines add up to one with the sum of its rows, and no pair is looked at."""
    total = z.new_zeros(int(labels.max()) + 1, z.size(1)).index_add(0, labels, z)
    cosines = (z * (total[labels] - z)).sum(1) / tau
    return cosines - (counts - 1) * (counts.log() + scores.logsumexp(dim=1))


class MinorityContrastiveLoss(nn.Module):
    """`minority_contrastive_loss`, with rare classes augmented first where asked for.

    Args:
        tau: Temperature, > 0.
        gamma: Focal exponent, >= 0.
        augment: Share of the most frequent class's size up to which `augment_minority` fills the others, in [0, 1]; 0
            augments nothing.
    """

    def __init__(self, tau: float = 0.2, gamma: float = 0.0, augment: float = 0.0) -> None:
        super().__init__()
        if not 0 <= augment <= 1:
            raise ValueError(f"augment: expected a share in [0, 1], got {augment}")
        self.tau, self.gamma, self.augment = tau, gamma, augment

    def forward(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss.

        Args:
            z: ``[N, d]`` embeddings.
            labels: ``[N]`` classes, -1 for unknown.
            generator: Where the augmentation comes from.
        """
        if self.augment:
            z, labels = augment_minority(z, labels, self.augment, generator)
        return minority_contrastive_loss(z, labels, self.tau, self.gamma)

    def extra_repr(self) -> str:
        """Options, for the representation."""
        return f"tau={self.tau}, gamma={self.gamma}, augment={self.augment}"
