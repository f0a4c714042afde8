"""BGRL's loss: predict the target network's embedding of the same node."""

import torch.nn.functional as F
from torch import Tensor

from graphml.losses.precision import full_precision


@full_precision
def bootstrap_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """``1 - cos(prediction, target)``, mean over nodes (Thakoor et al., arXiv 2102.06514); no gradient to the target.

    Args:
        prediction: ``[N, d]`` predictor's output for the online network's embeddings.
        target: ``[N, d]`` target network's embeddings of the other view.

    Returns:
        Scalar in [0, 2].
    """
    return 1 - F.cosine_similarity(prediction, target.detach(), dim=1).mean()
