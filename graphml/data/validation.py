"""Checks of a graph at the door, so that no layer needs them."""

import torch
from torch import Tensor
from torch_geometric.data import Data


def validate_graph(data: Data) -> None:
    """Check that `data` is a graph this library can train on: finite features, valid and symmetric edges.

    Args:
        data: Graph with `x` [N, F] (floating), `edge_index` [2, E] (integer, both directions of each edge) and,
            optionally, labels `y` [N] (integers from 0).

    Raises:
        TypeError: If `data` is not a `Data`, or a tensor is missing or of a wrong type.
        ValueError: If the graph is empty, an index is negative or out of range, a feature is not finite, a direction
            of an edge is missing, a label is negative, or edge weights are given.
    """
    if not isinstance(data, Data):
        raise TypeError(f"data must be a torch_geometric.data.Data, got {type(data).__name__}")
    num_nodes = _check_features(data.x)
    _check_edges(data.edge_index, num_nodes)
    if data.y is not None:
        _check_labels(data.y, num_nodes)
    if data.edge_weight is not None or data.edge_attr is not None:
        raise ValueError(
            "data.edge_weight and data.edge_attr are not supported: the edge weights are the normalisation computed "
            "here. Set them to None."
        )


def _check_features(x: Tensor | None) -> int:
    if not isinstance(x, Tensor):
        raise TypeError(f"data.x must be a tensor of shape [num_nodes, num_features], got {type(x).__name__}")
    if x.dim() != 2:
        raise ValueError(f"data.x must be of shape [num_nodes, num_features], got {list(x.shape)}")
    if x.size(0) == 0:
        raise ValueError("the graph is empty: data.x has no rows, expected at least one node")
    if x.size(1) == 0:
        raise ValueError("data.x has no columns, expected at least one feature (for example the node's degree)")
    if not x.is_floating_point():
        raise TypeError(f"data.x must be a floating tensor, got {x.dtype}: convert it with x.float()")
    finite = x.isfinite().all(dim=1)
    if not finite.all():
        bad = (~finite).nonzero().view(-1)
        raise ValueError(
            f"data.x must be finite, got NaN or infinity in {bad.numel()} rows, the first of them {bad[:5].tolist()}: "
            "impute or drop them"
        )
    return x.size(0)


def _check_edges(edge_index: Tensor | None, num_nodes: int) -> None:
    if not isinstance(edge_index, Tensor):
        raise TypeError(f"data.edge_index must be a tensor of shape [2, num_edges], got {type(edge_index).__name__}")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(f"data.edge_index must be of shape [2, num_edges], got {list(edge_index.shape)}")
    if edge_index.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"data.edge_index must hold int64 or int32, got {edge_index.dtype}")
    if edge_index.size(1) == 0:
        raise ValueError("the graph is empty: data.edge_index has no edges, expected at least one")
    low, high = int(edge_index.min()), int(edge_index.max())
    if low < 0:
        raise ValueError(f"data.edge_index has negative indices, the smallest {low}: nodes are 0 to {num_nodes - 1}")
    if high >= num_nodes:
        raise ValueError(f"data.edge_index is out of range: it names node {high}, nodes are 0 to {num_nodes - 1}")
    row, col = edge_index.to(torch.int64)
    code = row * num_nodes + col
    lonely = ~torch.isin(col * num_nodes + row, code)
    if lonely.any():
        first = edge_index[:, lonely][:, 0].tolist()
        raise ValueError(
            f"data.edge_index must be symmetric, got a directed edge list: {int(lonely.sum())} edges lack their "
            f"reverse, the first of them {first[0]} -> {first[1]}. Apply torch_geometric.transforms.ToUndirected()"
        )


def _check_labels(y: Tensor, num_nodes: int) -> None:
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex():
        got = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"data.y must be a tensor of integer class labels, got {got}")
    if y.shape != (num_nodes,):
        raise ValueError(f"data.y must be of shape [{num_nodes}], got {list(y.shape)}")
    if int(y.min()) < 0:
        raise ValueError(f"data.y must hold labels from 0, got {int(y.min())}")
