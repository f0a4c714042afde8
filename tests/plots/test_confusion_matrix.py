import numpy as np
import pytest
import torch

from graphml.plots import confusion_matrix


def test_shades_are_shares_of_each_row_and_cells_hold_counts() -> None:
    figure = confusion_matrix(torch.tensor([[1500, 500], [0, 0]]), ["happy", "sad"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])  # a label without utterances: 0
    assert [text.get_text() for text in axes.texts] == ["1,500", "500", "0", "0"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["happy", "sad"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["happy (2,000)", "sad (0)"]


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.ones((3, 3)), -np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_wrong_matrix_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"confusion: expected \[2, 2\] counts of at least 0"):
        confusion_matrix(matrix, ["happy", "sad"])
