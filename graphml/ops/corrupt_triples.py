"""Negative triples for training on knowledge graphs."""

import torch
from torch import Tensor


def corrupt_triples(triples: Tensor, num_entities: int, num_negatives: int, generator: torch.Generator) -> Tensor:
    """Replace the head or the tail, with equal chance, by any entity (Bordes et al., NeurIPS 2013, section 2).

    A few of them may be true; with many entities that is rare and not looked up.

    Args:
        triples: ``[B, 3]`` head, relation and tail.
        num_entities: Number of entities, >= 1.
        num_negatives: Negatives of each triple, >= 1.
        generator: Where they are drawn from, on any device.

    Returns:
        ``[B, num_negatives, 3]``.

    Raises:
        ValueError: If a number is out of range or ``triples`` are none.
    """
    if triples.dim() != 2 or triples.size(1) != 3:
        raise ValueError(f"triples: expected [B, 3], got {list(triples.shape)}")
    for name, value in {"num_entities": num_entities, "num_negatives": num_negatives}.items():
        if value < 1:
            raise ValueError(f"{name}: expected an integer >= 1, got {value}")
    size, device = (len(triples), num_negatives), generator.device
    entity = torch.randint(num_entities, size, generator=generator, device=device).to(triples.device)
    side = 2 * torch.randint(2, size, generator=generator, device=device).to(triples.device)
    out = triples[:, None].repeat(1, num_negatives, 1)
    return out.scatter_(2, side[..., None], entity[..., None].to(out.dtype))
