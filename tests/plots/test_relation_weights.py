import numpy as np
import pytest
import torch

from graphml.plots import relation_weights

NAMES = ["same speaker", "other speaker", "event"]


def test_overall_weights_are_bars() -> None:
    axes = relation_weights(torch.tensor([0.5, 0.3, 0.2]), NAMES, title="attention").axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 0.3, 0.2])
    assert [text.get_text() for text in axes.get_yticklabels()] == NAMES
    assert axes.get_title() == "attention"


def test_weights_of_each_class_are_shades() -> None:
    weights = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    axes = relation_weights(weights, NAMES, ["happy", "sad"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), weights)
    assert [text.get_text() for text in axes.texts] == ["0.50", "0.30", "0.20", "0.10", "0.10", "0.80"]


@pytest.mark.parametrize(
    ("weights", "classes", "match"),
    [
        (np.ones(2), None, r"weights: expected shape \[3\], at least one relation, got \[2\]"),
        (np.ones(3), ["happy", "sad"], r"weights: expected shape \[2, 3\]"),
        (np.array([1, np.nan, 0]), None, "weights: expected finite numbers"),
        (np.array([1, -1, 0]), None, "weights: expected finite numbers"),
    ],
)
def test_wrong_weights_are_named(weights: np.ndarray, classes: list[str] | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        relation_weights(weights, NAMES, classes)
