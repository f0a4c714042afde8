"""Top-k sparsification with error feedback: only the largest changes are sent, the rest is remembered."""

import torch
from torch import Tensor

from graphml.federated.compression.lossy import lossy_names
from graphml.federated.compression.updates import Updates
from graphml.federated.message import Message, taken_from, under
from graphml.federated.uplink import Sealing
from graphml.federated.weights import Weights

ERROR = "top_k/error"


class TopK(Updates):
    r"""Sends the k largest of all changes by magnitude, with their places.

    Stich et al., "Sparsified SGD with memory", NeurIPS 2018, arXiv 1809.07599. Of d changes :math:`\mathbf{u}` of
    weights and the error :math:`\mathbf{e}` that it remembers, a client sends the k = share d largest of
    :math:`\mathbf{u} + \mathbf{e}` in magnitude, over all tensors together, and remembers the others as its next error:
    nothing is lost, it only comes later. The changes are those of a round of local training (the paper's are gradients
    of single steps).

    An answer is ``values`` of the weights' type ``[k]`` and ``places`` int32 ``[k]``, ascending, in the flattened
    tensors by the order of their names. Buffers are sent whole, and integers as they are. As `Updates`, it is for
    algorithms that send the same weights to all clients.

    Args:
        share: Share of the changes that is sent, in (0, 1]; at least one is.

    Raises:
        ValueError: If the share is out of range.
    """

    def __init__(self, share: float = 0.01) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"share: expected one in (0, 1], got {share}")
        self.share = share

    def seal(self, answer: Message, sealing: Sealing) -> Message:
        """Keep the largest changes, and remember the others.

        Args:
            answer: Weights.
            sealing: Who seals them.
        """
        arrays = super().seal(answer, sealing).arrays
        names = lossy_names(arrays, sealing.buffers)
        memory = sealing.client.memory
        changes = _flat(arrays, names)
        if ERROR in memory:
            changes = changes + memory[ERROR]
        places = changes.abs().topk(self._count(changes.numel())).indices.sort().values
        sealing.client.memory = memory | {ERROR: changes.index_fill(0, places, 0)}
        sent = {"values": changes[places], "places": places.int()}
        return Message(sent | _whole(arrays, names), answer.metrics)

    def wire(self, expected: Weights) -> Weights:
        """Values, places, and what is sent whole.

        Args:
            expected: Weights.
        """
        names = lossy_names(expected, self.buffers)
        flat = _flat(expected, names)
        count = self._count(flat.numel())
        sent = {"values": flat[:count], "places": torch.empty(count, dtype=torch.int32)}
        return sent | _whole(expected, names)

    def open(self, answer: Message, expected: Weights) -> Message:
        """Changes of all weights, 0 where none was sent.

        Args:
            answer: What `seal` returned.
            expected: Weights of the shapes and types that come out.

        Raises:
            ValueError: If a place is none of a weight.
        """
        names = lossy_names(expected, self.buffers)
        flat = torch.zeros_like(_flat(expected, names))
        places = answer.arrays["places"].long()
        if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < flat.numel():
            got = f"{int(places.min())} to {int(places.max())}"
            raise ValueError(f"places: expected 0 to {flat.numel() - 1}, got {got}")
        flat[places] = answer.arrays["values"]
        parts = flat.split([expected[name].numel() for name in names])
        changes = {name: part.view_as(expected[name]) for name, part in zip(names, parts, strict=True)}
        typed = {name: change.to(expected[name].dtype) for name, change in changes.items()}
        return Message(typed | taken_from("whole", answer.arrays), answer.metrics)

    def _count(self, size: int) -> int:
        return min(size, max(1, round(self.share * size)))


def _flat(arrays: Weights, names: list[str]) -> Tensor:
    """The named arrays end to end; in the widest of their types, where these differ."""
    return torch.cat([arrays[name].reshape(-1) for name in names]) if names else torch.empty(0)


def _whole(arrays: Weights, names: list[str]) -> Weights:
    return under("whole", {name: value for name, value in arrays.items() if name not in names})
