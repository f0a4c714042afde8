"""Symmetric InfoNCE between two views of the same nodes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.losses.precision import full_precision
from graphml.ops import contrastive_logsumexp


@full_precision
def info_nce(z1: Tensor, z2: Tensor, tau: float = 0.5) -> Tensor:
    """Mean over both views of ``-log(exp(s_ii) / sum of exp(s) over all other nodes of both views)``.

    The loss of GRACE (arXiv 2006.04131): ``s`` is the cosine similarity over ``tau``; positives are the same node in
    the other view; negatives are all other nodes of both views; the similarity of an anchor with itself is excluded.
    The similarity matrix is never held (see :func:`graphml.ops.contrastive_logsumexp`).

    Args:
        z1: ``[N, d]`` projected embeddings of one view; need not be normalised.
        z2: ``[N, d]`` the same nodes in the other view.
        tau: Temperature, > 0.

    Returns:
        Scalar loss.

    Raises:
        ValueError: Shapes that differ or a temperature that is not positive.
    """
    if z1.shape != z2.shape or z1.dim() != 2:
        raise ValueError(f"z1, z2: expected two matrices [N, d] of one shape, got {tuple(z1.shape)}, {tuple(z2.shape)}")
    both = torch.cat([F.normalize(z1, dim=1), F.normalize(z2, dim=1)])
    a, b = both.chunk(2)
    positive = (a * b).sum(1) / tau
    return contrastive_logsumexp(both, tau).mean() - positive.mean()
