"""DGI's loss: tell nodes of the graph from nodes of a corrupted graph by its summary."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graphml.losses.precision import full_precision


@full_precision
def local_global_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """Binary cross-entropy of discriminator logits (Velickovic et al., "Deep Graph Infomax", arXiv 1809.10341).

    Args:
        positive: ``[N]`` logits of the graph's own nodes.
        negative: ``[N]`` logits of the corrupted graph's nodes.

    Returns:
        Scalar loss; log 2 at chance.
    """
    logits = torch.cat([positive, negative])
    labels = torch.cat([torch.ones_like(positive), torch.zeros_like(negative)])
    return F.binary_cross_entropy_with_logits(logits, labels)
