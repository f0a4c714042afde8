"""What a partitioner sees of a data set: how many items there are, their labels, edges and groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch_geometric import EdgeIndex


@dataclass(frozen=True, eq=False)
class Items:
    """The items that are dealt to clients: nodes of a graph, graphs, links, utterances or dialogues.

    Tensors are kept on the CPU as plain int64.

    Args:
        num_items: Number of items N, at least 1.
        labels: ``[N]`` class of each item from 0, -1 where it is unknown; None where items have none.
        edge_index: ``[2, E]`` edges between items, an undirected one in both directions; None where items have none.
        groups: For each name, such as "relation", "domain", "speaker" or "session", ``[N]`` number of each item's
            group; -1 for an item of none.

    Raises:
        TypeError: If a tensor does not hold integers.
        ValueError: If `num_items` is below 1, a shape does not fit it, or a number is out of range.
    """

    num_items: int
    labels: Tensor | None = None
    edge_index: Tensor | None = None
    groups: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_items < 1:
            raise ValueError(f"num_items: expected at least 1, got {self.num_items}")
        if self.labels is not None:
            object.__setattr__(self, "labels", _numbers("labels", self.labels, self.num_items))
        if self.edge_index is not None:
            object.__setattr__(self, "edge_index", _edges(self.edge_index, self.num_items))
        groups = {name: _numbers(f"groups[{name!r}]", group, self.num_items) for name, group in self.groups.items()}
        object.__setattr__(self, "groups", groups)

    @property
    def num_classes(self) -> int:
        """Number of classes C: the largest label and 1; 0 where no item has a label."""
        return 0 if self.labels is None else int(self.labels.max()) + 1


def _integers(name: str, values: Tensor) -> Tensor:
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"{name}: expected integers, got {values.dtype}")
    return values.detach().to("cpu", torch.int64)


def _numbers(name: str, values: Tensor, num_items: int) -> Tensor:
    numbers = _integers(name, values)
    if numbers.shape != (num_items,):
        raise ValueError(f"{name}: expected one number for each of the {num_items} items, got {list(numbers.shape)}")
    if int(numbers.min()) < -1:
        raise ValueError(f"{name}: expected numbers from 0, or -1 for unknown, got {int(numbers.min())}")
    return numbers


def _edges(edge_index: Tensor, num_items: int) -> Tensor:
    plain = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
    edges = _integers("edge_index", plain)
    if edges.dim() != 2 or edges.size(0) != 2:
        raise ValueError(f"edge_index: expected the shape [2, E], got {list(edges.shape)}")
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < num_items:
        raise ValueError(
            f"edge_index: expected items 0 to {num_items - 1}, got {int(edges.min())} to {int(edges.max())}"
        )
    return edges
