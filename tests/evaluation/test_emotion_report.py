import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from torch import Tensor

from graphml.evaluation import emotion_report

CLASSES = ["happy", "sad", "neutral", "angry"]


def predictions(utterances: int = 300, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Skewed labels, a tenth of them unknown, and predictions that know something of them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(torch.arange(1.0, classes + 1), utterances, replacement=True, generator=generator)
    logits = torch.randn(utterances, classes, generator=generator) + torch.eye(classes)[labels]
    labels[::10] = -1
    return logits.softmax(-1), labels


def test_agrees_with_scikit_learn_on_the_labelled_utterances() -> None:
    p, labels = predictions()
    report = emotion_report(p, labels, CLASSES)
    y, predicted = labels[labels >= 0].numpy(), p[labels >= 0].argmax(1).numpy()
    assert report.accuracy == pytest.approx(accuracy_score(y, predicted))
    assert report.weighted_f1 == pytest.approx(f1_score(y, predicted, average="weighted"))
    assert report.macro_f1 == pytest.approx(f1_score(y, predicted, average="macro"))
    _, recall, f1, support = precision_recall_fscore_support(y, predicted)
    np.testing.assert_allclose(report.class_f1.numpy(), f1, atol=1e-6)
    np.testing.assert_allclose(report.class_accuracy.numpy(), recall, atol=1e-6)
    assert report.support.tolist() == support.tolist()
    assert report.confusion.tolist() == confusion_matrix(y, predicted).tolist()
    assert report.classes == tuple(CLASSES)


def test_calibration_error_is_that_of_its_definition() -> None:
    p, labels = predictions()
    report = emotion_report(p, labels, CLASSES)
    confidence, correct = p[labels >= 0].max(1).values.numpy(), report.correct.numpy()
    np.testing.assert_allclose(report.confidence.numpy(), confidence)
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs(confidence[bins == b].mean() - correct[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    assert report.calibration_error == pytest.approx(sum(gaps), abs=1e-6)


def test_unknown_labels_count_nowhere() -> None:
    p, labels = predictions()
    padded = torch.cat([p, torch.eye(4).repeat(20, 1)]), torch.cat([labels, torch.full((80,), -1)])
    for one, other in zip(emotion_report(p, labels, CLASSES), emotion_report(*padded, CLASSES), strict=True):
        assert torch.equal(one, other) if isinstance(one, Tensor) else one == other


def test_class_that_never_occurs_has_no_support_and_leaves_the_averages_alone() -> None:
    p, labels = predictions(classes=3)
    with_fourth = emotion_report(torch.cat([p, torch.zeros(len(p), 1)], dim=1), labels, CLASSES)
    without = emotion_report(p, labels, CLASSES[:3])
    assert with_fourth.support.tolist()[3] == with_fourth.class_f1.tolist()[3] == 0
    assert (with_fourth.weighted_f1, with_fourth.macro_f1) == pytest.approx((without.weighted_f1, without.macro_f1))


def test_rounding_above_one_is_not_taken_for_logits() -> None:
    p = torch.tensor([[1 + 2e-7, 0.0], [0.0, 1 + 2e-7]])
    report = emotion_report(p, torch.tensor([0, 1]), CLASSES[:2])
    assert (report.calibration_error, report.accuracy) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("p", "labels", "match"),
    [
        (torch.eye(3), torch.arange(3), r"probabilities: expected shape \[N, 4\].*got \[3, 3\]"),
        (torch.eye(4), torch.arange(3), r"labels: expected integers of shape \[4\]"),
        (torch.eye(4), torch.zeros(4), "labels: expected integers"),
        (torch.eye(4), torch.arange(4) + 1, "labels: expected -1 to 3, got 1 to 4"),
        (torch.eye(4), torch.full((4,), -1), "labels: expected at least one known, got -1 for all 4"),
        (2 * torch.eye(4), torch.arange(4), "probabilities: expected rows .* sum to 1"),
    ],
)
def test_wrong_input_is_named(p: Tensor, labels: Tensor, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        emotion_report(p, labels, CLASSES)
