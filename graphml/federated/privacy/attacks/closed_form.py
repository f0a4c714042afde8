"""What the gradient of a first layer tells without any search."""

import torch
from torch import Tensor


def used_features(weight_gradient: Tensor) -> Tensor:
    r"""Which features are not zero everywhere in a client's data.

    The gradient of a first layer :math:`\hat{\mathbf{A}} \mathbf{X} \mathbf{W}^\top` is
    :math:`\mathbf{D}^\top \hat{\mathbf{A}} \mathbf{X}`: the column of a feature that no node has is exactly zero, and
    with not negative features one that some node has is zero only by chance. Of bags of words it tells the vocabulary.

    Adversary: honest-but-curious server.

    Args:
        weight_gradient: Gradient of the first layer's weight [H, F].

    Returns:
        Bool [F]; all True under additive noise.
    """
    return (weight_gradient != 0).any(dim=0)


def single_node_features(weight_gradient: Tensor, bias_gradient: Tensor) -> Tensor:
    r"""Features of the only node of a client, from the ratio of a first layer's two gradients.

    With one node :math:`\nabla \mathbf{W} = \mathbf{d} \mathbf{x}^\top` and :math:`\nabla \mathbf{b} = \mathbf{d}`
    (Phong et al., IEEE TIFS 2018, section III); here by least squares over all units. With more nodes it is a mean of
    their (propagated) features whose weights may be negative: the baseline of the searching attacks.

    Adversary: honest-but-curious server.

    Args:
        weight_gradient: Gradient of the first layer's weight [H, F].
        bias_gradient: Gradient of its bias [H].

    Returns:
        Features [F].

    Raises:
        ValueError: If the gradient of the bias is zero: no unit was active.
    """
    norm = bias_gradient.square().sum()
    if not norm > 0:
        raise ValueError("bias_gradient: expected one that is not zero, got zeros: no unit of the layer was active")
    return torch.mv(weight_gradient.T, bias_gradient) / norm
