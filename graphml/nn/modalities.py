"""Modalities of an utterance, any of which may be missing."""

from collections.abc import Mapping

import torch
from torch import Tensor


def split_missing(x: Tensor) -> tuple[Tensor, Tensor]:
    """Tell the utterances that lack a modality from those that have it.

    Args:
        x: ``[N, F]`` features, a row of NaN where the modality is missing.

    Returns:
        The features with 0 in the missing rows, and ``[N]`` whether a row is there.
    """
    there = ~x[:, 0].isnan()
    return x.masked_fill(~there.unsqueeze(1), 0.0), there


def concatenate_modalities(features: Mapping[str, Tensor], in_channels: Mapping[str, int]) -> Tensor:
    """Put the modalities side by side, 0 where one is missing, which is the mean of standardised features.

    Args:
        features: For each modality ``[N, F]``, NaN rows where it is missing.
        in_channels: Modalities to take, in their order, and the features of each.

    Returns:
        ``[N, sum of F]``.

    Raises:
        ValueError: If a modality is not there, or has another number of features.
    """
    check_modalities(features, in_channels)
    return torch.cat([split_missing(features[name])[0] for name in in_channels], dim=1)


def check_modalities(features: Mapping[str, Tensor], in_channels: Mapping[str, int]) -> None:
    """Check that features are those that a model was made for.

    Args:
        features: For each modality ``[N, F]``.
        in_channels: Modalities wanted, and the features of each.

    Raises:
        ValueError: If a modality is not there, or has another number of features.
    """
    for name, channels in in_channels.items():
        if name not in features:
            raise ValueError(f"features: expected the modalities {', '.join(in_channels)}, {name} is missing")
        if features[name].dim() != 2 or features[name].size(1) != channels:
            got = list(features[name].shape)
            raise ValueError(f"features[{name!r}]: expected shape [N, {channels}], got {got}")
