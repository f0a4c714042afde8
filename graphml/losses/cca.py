"""CCA-SSG's loss: agreement of two standardised views and decorrelation of their dimensions."""

import torch
from torch import Tensor

from graphml.losses.precision import full_precision


@full_precision
def cca_loss(z1: Tensor, z2: Tensor, trade_off: float = 1e-3) -> Tensor:
    """``||Z1 - Z2||^2 + trade_off (||Z1^T Z1 - I||^2 + ||Z2^T Z2 - I||^2)`` (Zhang et al., NeurIPS 2021, eq. 3).

    Both views are standardised per dimension and divided by ``sqrt(N)``, so that ``Z^T Z`` is a correlation matrix. The
    first term is ``2 d - 2 tr(Z1^T Z2)``: where it is written as ``-tr(Z1^T Z2)``, the same balance needs half the
    ``trade_off``.

    Args:
        z1: ``[N, d]`` embeddings of one view, N >= 2.
        z2: ``[N, d]`` the same nodes in the other view.
        trade_off: Weight lambda >= 0 of the decorrelation.

    Returns:
        Scalar loss.
    """
    first, second = _standardise(z1), _standardise(z2)
    identity = torch.eye(z1.size(1), device=z1.device, dtype=z1.dtype)
    decorrelation = sum(((z.T @ z - identity) ** 2).sum() for z in (first, second))
    return ((first - second) ** 2).sum() + trade_off * decorrelation


def _standardise(z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    length: Tensor = centred.norm(dim=0)
    return centred / (length + 1e-8)
