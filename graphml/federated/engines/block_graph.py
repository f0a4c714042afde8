"""Graphs of many clients as one block-diagonal graph."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from graphml.federated.engines.layout import Layout
from graphml.ops import adjacency_pattern

_OF_NODES = ("y", "train_mask", "val_mask", "test_mask")


def block_graph(graphs: Sequence[Data], layout: Layout) -> Data:
    """Lay graphs side by side; rows of padding have no edges, no label and no stage.

    Args:
        graphs: K graphs as `NodeDataModule` makes them, each with the same attributes.
        layout: Their layout.

    Returns:
        A graph of R nodes: ``x`` ``[R, F]``, or sparse CSR ``[R, K F]`` with each graph's columns its own, if one of
        the graphs' is sparse; ``edge_index``, sorted by target, ``edge_weight``, ``y``, the masks; and ``density``
        ``[K, 256]``.

    Raises:
        ValueError: If the graphs do not have the same attributes.
    """
    names = [name for name in ("edge_weight", "density", *_OF_NODES) if name in graphs[0]]
    for number, graph in enumerate(graphs):
        if [name for name in ("edge_weight", "density", *_OF_NODES) if name in graph] != names:
            raise ValueError(f"graphs: expected {', '.join(names)} in each, as in the first, got others in {number}")
    block = Data(x=_features([graph.x for graph in graphs], layout))
    block.edge_index, order = _edges(graphs, layout)
    if "edge_weight" in names:
        block.edge_weight = torch.cat([graph.edge_weight[place] for graph, place in zip(graphs, order, strict=True)])
    if "density" in names:
        block.density = torch.stack([graph.density for graph in graphs])
    for name in _OF_NODES:
        if name in names:
            block[name] = _padded([graph[name] for graph in graphs], layout)
    return block


def _edges(graphs: Sequence[Data], layout: Layout) -> tuple[EdgeIndex, list[Tensor]]:
    """Edges sorted by target; and for each graph the order that sorts its own."""
    edges, order = [], []
    for graph, start in zip(graphs, layout.starts, strict=False):
        pattern = adjacency_pattern(graph.edge_index, graph.num_nodes)
        edges.append(torch.stack([pattern.col, pattern.target]).long() + start)
        order.append(pattern.in_order(torch.arange(pattern.col.numel())))
    size = (layout.num_rows, layout.num_rows)
    return EdgeIndex(torch.cat(edges, 1), sparse_size=size, sort_order="col").fill_cache_(), order


def _padded(values: Sequence[Tensor], layout: Layout) -> Tensor:
    out = values[0].new_zeros(layout.num_rows, *values[0].shape[1:])
    for value, start in zip(values, layout.starts, strict=False):
        out[start : start + len(value)] = value
    return out


def _features(features: Sequence[Tensor], layout: Layout) -> Tensor:
    if all(x.layout == torch.strided for x in features):
        return _padded(features, layout)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        sparse = [x.to_sparse_csr() for x in features]
        counts = _padded([x.crow_indices().diff() for x in sparse], layout)
        col = torch.cat([x.col_indices() + place * x.size(1) for place, x in enumerate(sparse)])
        crow = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        shape = (layout.num_rows, len(sparse) * sparse[0].size(1))
        values = torch.cat([x.values() for x in sparse])
        return torch.sparse_csr_tensor(crow, col, values, shape, check_invariants=False)
