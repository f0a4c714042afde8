import pytest
import torch
from torch_geometric.data import Data

from graphml.data import validate_graph


def triangle(**changes) -> Data:
    graph = {
        "x": torch.ones(3, 2),
        "y": torch.tensor([0, 1, 1]),
        "edge_index": torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]]),
    }
    return Data(**{**graph, **changes})


def test_valid_graphs_pass():
    validate_graph(triangle())
    validate_graph(triangle(y=None))
    validate_graph(triangle(edge_index=triangle().edge_index.int()))
    validate_graph(triangle(edge_index=torch.tensor([[0, 0, 1, 0], [0, 1, 0, 1]])[:, :3]))  # a loop is symmetric


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge_index": torch.tensor([[0, -1], [-1, 0]])}, "negative indices, the smallest -1: nodes are 0 to 2"),
        ({"edge_index": torch.tensor([[0, 3], [3, 0]])}, "out of range: it names node 3, nodes are 0 to 2"),
        ({"edge_index": torch.tensor([[0, 1], [1, 2]])}, "must be symmetric.*2 edges lack their reverse.*0 -> 1"),
        ({"edge_index": torch.zeros(2, 0, dtype=torch.long)}, "graph is empty: data.edge_index has no edges"),
        ({"edge_index": torch.zeros(3, 2, dtype=torch.long)}, r"edge_index must be of shape \[2, num_edges\]"),
        ({"x": torch.zeros(0, 2), "y": None}, "graph is empty: data.x has no rows"),
        ({"x": torch.zeros(3, 0)}, "data.x has no columns"),
        ({"x": torch.ones(3)}, r"data.x must be of shape \[num_nodes, num_features\], got \[3\]"),
        ({"x": torch.tensor([[1.0], [float("nan")], [float("inf")]])}, r"finite.*2 rows, the first of them \[1, 2\]"),
        ({"y": torch.tensor([0, -1, 1])}, "labels from 0, got -1"),
        ({"y": torch.tensor([0, 1])}, r"data.y must be of shape \[3\], got \[2\]"),
        ({"edge_weight": torch.ones(6)}, "edge_weight and data.edge_attr are not supported"),
        ({"edge_attr": torch.ones(6, 1)}, "edge_weight and data.edge_attr are not supported"),
    ],
)
def test_wrong_values(changes, message):
    with pytest.raises(ValueError, match=message):
        validate_graph(triangle(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "data.x must be a tensor.*got NoneType"),
        ({"x": torch.ones(3, 2, dtype=torch.long)}, "data.x must be a floating tensor, got torch.int64"),
        ({"edge_index": None}, "data.edge_index must be a tensor.*got NoneType"),
        ({"edge_index": triangle().edge_index.float()}, "edge_index must hold int64 or int32, got torch.float32"),
        ({"y": torch.rand(3)}, "integer class labels, got torch.float32"),
    ],
)
def test_wrong_types(changes, message):
    with pytest.raises(TypeError, match=message):
        validate_graph(triangle(**changes))


def test_not_a_graph():
    with pytest.raises(TypeError, match=r"torch_geometric.data.Data, got dict"):
        validate_graph({})  # type: ignore[arg-type]
