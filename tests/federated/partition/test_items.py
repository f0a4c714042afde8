import pytest
import torch
from torch_geometric import EdgeIndex

from graphml.federated.partition import Items


def test_tensors_are_kept_as_plain_int64() -> None:
    edges = EdgeIndex([[0, 1], [1, 0]], sparse_size=(3, 3), dtype=torch.int32)
    items = Items(3, torch.tensor([0, 2, -1], dtype=torch.int32), edges, {"speaker": torch.tensor([4, -1, 4])})
    assert items.labels.dtype == items.edge_index.dtype == torch.int64
    assert type(items.edge_index) is torch.Tensor
    assert items.edge_index.tolist() == [[0, 1], [1, 0]]
    assert items.groups["speaker"].tolist() == [4, -1, 4]
    assert items.num_classes == 3


def test_items_without_labels_have_no_classes() -> None:
    assert Items(3).num_classes == 0
    assert Items(3, torch.tensor([-1, -1, -1])).num_classes == 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"num_items": 0}, ValueError, "num_items: expected at least 1, got 0"),
        ({"labels": torch.zeros(3)}, TypeError, "labels: expected integers, got torch.float32"),
        ({"labels": torch.ones(3, dtype=torch.bool)}, TypeError, "labels: expected integers, got torch.bool"),
        ({"labels": torch.tensor([0, 1])}, ValueError, r"labels: expected one number for each of the 3 items, got \[2"),
        ({"labels": torch.tensor([0, 1, -2])}, ValueError, "labels: expected numbers from 0, or -1 .*, got -2"),
        ({"groups": {"domain": torch.tensor([0, 1])}}, ValueError, r"groups\['domain'\]: expected one number"),
        ({"edge_index": torch.tensor([0, 1])}, ValueError, r"edge_index: expected the shape \[2, E\], got \[2\]"),
        ({"edge_index": torch.tensor([[0], [3]])}, ValueError, "edge_index: expected items 0 to 2, got 0 to 3"),
    ],
)
def test_wrong_input_is_named(options: dict, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Items(**{"num_items": 3, **options})
