"""Class-dependent feature augmentation: more members for the rare classes of a batch."""

import torch
from torch import Tensor


def augment_minority(z: Tensor, labels: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add, to each class with fewer members, points on the way from a member to another of its class.

    The class-dependent augmentation of CLAF, as far as its description goes: minority-class features are moved towards
    labelled positives, ``z_i + u (z_p - z_i)`` with ``p`` of the same class and ``u`` uniform in [0, 1]. Each class is
    filled up to a share of the largest. A class with a single member has no positive to move to and stays as it is.

    Args:
        z: ``[N, d]`` embeddings.
        labels: ``[N]`` classes from 0, -1 for unknown.
        share: Size to fill up to, as a share of the largest class, in [0, 1].
        generator: Where members and positions come from.

    Returns:
        ``[N + M, d]`` embeddings, the given ones first, and ``[N + M]`` their labels.

    Raises:
        ValueError: If the share is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected [0, 1], got {share}")
    counts = torch.bincount(labels[labels >= 0])
    wanted = int(share * int(counts.max())) if counts.numel() else 0
    starts, ends = [], []
    for label, count in enumerate(counts.tolist()):
        if 1 < count < wanted:
            members = (labels == label).nonzero().squeeze(1)
            first = torch.randint(count, (wanted - count,), generator=generator, device=generator.device)
            step = torch.randint(1, count, (wanted - count,), generator=generator, device=generator.device)
            starts.append(members[first.to(z.device)])
            ends.append(members[((first + step) % count).to(z.device)])  # never the member itself
    if not starts:
        return z, labels
    start, end = torch.cat(starts), torch.cat(ends)
    place = torch.rand(start.numel(), 1, generator=generator, device=generator.device).to(z)
    return torch.cat([z, torch.lerp(z[start], z[end], place)]), torch.cat([labels, labels[start]])
