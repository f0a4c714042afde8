"""What of an answer may lose precision."""

from collections.abc import Collection, Mapping

from torch import Tensor


def lossy_names(arrays: Mapping[str, Tensor], buffers: Collection[str]) -> list[str]:
    """Names of the floating arrays that do not belong to a buffer, sorted.

    Integers and buffers are sent exactly: a running variance that is rounded may come out negative, and they are few.

    Args:
        arrays: Arrays of an answer; what an algorithm sends beside the weights is named ``prefix/weight``.
        buffers: Names of the weights that no optimizer changes.
    """
    names = (name for name, value in arrays.items() if value.is_floating_point())
    return sorted(name for name in names if name.rsplit("/", 1)[-1] not in buffers)
