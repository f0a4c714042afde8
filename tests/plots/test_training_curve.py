import numpy as np
import pytest
import torch

from graphml.plots import training_curve


def test_training_curve_holds_the_losses() -> None:
    (line,) = training_curve([0, 1, 2], torch.tensor([3.0, 2.0, 1.5])).axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [3, 2, 1.5])
    with pytest.raises(ValueError, match=r"the same length >= 1, got \[0\] and \[0\]"):
        training_curve([], [])
