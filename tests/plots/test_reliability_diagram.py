import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from graphml.evaluation import emotion_report
from graphml.plots import reliability_diagram


def test_agrees_with_scikit_learn_and_with_the_report() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (400,), generator=generator)
    p = (torch.randn(400, 3, generator=generator) + torch.eye(3)[labels]).softmax(-1)
    report = emotion_report(p, labels, ["a", "b", "c"])
    figure = reliability_diagram(report.confidence, report.correct)
    accuracy, confidence = calibration_curve(report.correct.numpy(), report.confidence.numpy(), n_bins=15)
    (curve,) = (line for line in figure.axes[0].get_lines() if line.get_label() == "this model")
    np.testing.assert_allclose(curve.get_xydata(), np.column_stack([confidence, accuracy]))
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 400
    title = figure.axes[0].get_legend().get_title().get_text()
    assert title == f"expected calibration error {100 * report.calibration_error:.1f} %"


@pytest.mark.parametrize(
    ("confidence", "correct", "bins"), [([], [], 15), ([0.5], [1, 0], 15), ([1.2], [1], 15), ([0.5], [1], 0)]
)
def test_wrong_input_is_refused(confidence: list[float], correct: list[int], bins: int) -> None:
    with pytest.raises(ValueError, match="confidence and "):
        reliability_diagram(confidence, correct, bins)
