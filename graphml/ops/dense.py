"""Features in dense form, where a layer or a distance needs them so."""

import torch
from torch import Tensor


def as_dense(x: Tensor) -> Tensor:
    """A dense tensor of the same entries.

    Args:
        x: Of any layout.

    Returns:
        The tensor itself where it is dense.
    """
    return x if x.layout == torch.strided else x.to_dense()
