"""GraphMAE's reconstruction loss."""

import torch.nn.functional as F
from torch import Tensor

from graphml.losses.precision import full_precision


@full_precision
def scaled_cosine_error(reconstruction: Tensor, x: Tensor, gamma: float = 2.0) -> Tensor:
    """``(1 - cos(reconstruction, x))^gamma``, mean over nodes (Hou et al., "GraphMAE", arXiv 2205.10803, eq. 2).

    Args:
        reconstruction: ``[M, F]`` decoded features of the masked nodes.
        x: ``[M, F]`` their true features.
        gamma: Exponent >= 1 that down-weights easy nodes.

    Returns:
        Scalar loss.
    """
    error = 1 - F.cosine_similarity(reconstruction, x, dim=1)
    return error.clamp(min=0).pow(gamma).mean()  # a cosine rounds above 1: no fractional power of a negative number
