"""Clipping of what a client sends: no client moves the average by more than a known distance."""

import math

import torch
from torch import Tensor

from graphml.federated.message import Message
from graphml.federated.privacy.update import flat_update, floating_names, with_update
from graphml.federated.uplink import Sealing, UplinkStage


def clipped(vector: Tensor, max_norm: float) -> Tensor:
    r"""Shorten a vector to a largest L2 norm: :math:`v \min(1, C / \lVert v \rVert)`.

    Args:
        vector: ``[d]``.
        max_norm: C, above 0.

    Returns:
        The vector itself where it is short enough.

    Raises:
        FloatingPointError: If it holds NaN or infinity, which nothing can shorten.
    """
    norm = float(vector.norm())
    if not math.isfinite(norm):
        raise FloatingPointError(f"update: expected finite numbers to clip, got a norm of {norm}")
    return vector if norm <= max_norm else vector * (max_norm / norm)


class UpdateClipping(UplinkStage):
    """Clips what each client's training changed, as one vector (McMahan et al., ICLR 2018: flat clipping).

    The norm is exact in double precision; what is sent is rounded to the weights' type.

    Args:
        max_norm: C, above 0.

    Raises:
        ValueError: If it is out of range.
    """

    def __init__(self, max_norm: float) -> None:
        super().__init__()
        if not 0 < max_norm < math.inf:
            raise ValueError(f"max_norm: expected a finite norm above 0, got {max_norm}")
        self.max_norm = max_norm

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Clip.

        Args:
            answer: The client's answer.
            sealing: Who seals it.
        """
        return with_update(answer, sealing.start, self.shortened(flat_update(answer, sealing.start), answer))

    def shortened(self, update: Tensor, answer: Message) -> Tensor:
        """The update as it is sent.

        Args:
            update: ``[d]``, see `flat_update`.
            answer: The answer that it is the update of.
        """
        return clipped(update, self.max_norm)


class LayerClipping(UpdateClipping):
    r"""Clips each array by itself to :math:`C / \sqrt{m}`, of m arrays (McMahan et al., ICLR 2018: per-layer clipping).

    The whole is then no longer than C, and an array with a large update does not shorten the others.

    Args:
        max_norm: C, above 0.
    """

    def shortened(self, update: Tensor, answer: Message) -> Tensor:
        """The update as it is sent.

        Args:
            update: ``[d]``, see `flat_update`.
            answer: The answer that it is the update of.
        """
        sizes = [answer.arrays[name].numel() for name in floating_names(answer.arrays)]
        bound = self.max_norm / math.sqrt(max(1, len(sizes)))
        return torch.cat([clipped(part, bound) for part in update.split(sizes)]) if sizes else update
