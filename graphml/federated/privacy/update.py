"""A client's answer as one vector: what clipping, noise, masks and robust averages work on."""

import torch
from torch import Tensor

from graphml.federated.message import Message
from graphml.federated.weights import Weights


def flat_update(answer: Message, start: Weights) -> Tensor:
    """What an answer tells, end to end: how far weights moved, and other floating arrays as they are.

    Integer arrays, such as BatchNorm's counter of batches, have no part in it.

    Args:
        answer: The answer.
        start: Weights that training started from; arrays of the answer that have a name in it count as weights, others
            (SCAFFOLD's controls) as values that stand for themselves.

    Returns:
        ``[d]`` in double precision, arrays in the order of their names.
    """
    parts = [_moved(answer.arrays[name], start.get(name)).flatten() for name in floating_names(answer.arrays)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def with_update(answer: Message, start: Weights, update: Tensor) -> Message:
    """An answer that tells something else: the inverse of `flat_update`, rounded to the arrays' types.

    Args:
        answer: Gives names, shapes, types, metrics, configuration and integer arrays.
        start: Weights that training started from.
        update: ``[d]``, as `flat_update` returns it.

    Raises:
        ValueError: If the update is of another length.
    """
    names = floating_names(answer.arrays)
    sizes = [answer.arrays[name].numel() for name in names]
    if update.shape != (sum(sizes),):
        raise ValueError(f"update: expected shape [{sum(sizes)}], got {list(update.shape)}")
    arrays = dict(answer.arrays)
    for name, part in zip(names, update.split(sizes), strict=True):
        value = part.view_as(arrays[name])
        arrays[name] = (value + start[name] if name in start else value).to(arrays[name].dtype)
    return Message(arrays, answer.metrics, answer.config)


def floating_names(arrays: Weights) -> list[str]:
    """Names of the floating arrays, in the order in which an update holds them.

    Args:
        arrays: Arrays by name.
    """
    return sorted(name for name, value in arrays.items() if value.is_floating_point())


def _moved(value: Tensor, start: Tensor | None) -> Tensor:
    return value.double() if start is None else value.double() - start.double()
