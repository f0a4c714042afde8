"""Missing modalities: NaN rows go in, zeros and a mask come out."""

import pytest
import torch

from graphml.nn import concatenate_modalities, split_missing

NAN = float("nan")


def test_missing_rows_become_zero_and_are_told() -> None:
    x, there = split_missing(torch.tensor([[1.0, 2.0], [NAN, NAN], [0.0, 0.0]]))
    assert x.tolist() == [[1, 2], [0, 0], [0, 0]]
    assert there.tolist() == [True, False, True]


def test_a_missing_row_gets_no_gradient() -> None:
    x = torch.tensor([[1.0], [NAN]], requires_grad=True)
    split_missing(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1], [0]]


def test_modalities_stand_side_by_side_in_the_order_asked_for() -> None:
    features = {"audio": torch.tensor([[1.0], [NAN]]), "text": torch.tensor([[2.0, 3.0], [4.0, 5.0]])}
    out = concatenate_modalities(features, {"text": 2, "audio": 1})
    assert out.tolist() == [[2, 3, 1], [4, 5, 0]]


def test_other_modalities_or_sizes_are_refused() -> None:
    features = {"text": torch.zeros(2, 3)}
    with pytest.raises(ValueError, match="expected the modalities text, audio, audio is missing"):
        concatenate_modalities(features, {"text": 3, "audio": 1})
    with pytest.raises(ValueError, match=r"features\['text'\]: expected shape \[N, 4\], got \[2, 3\]"):
        concatenate_modalities(features, {"text": 4})
