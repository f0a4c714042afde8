"""Emotion report: what the field prints of a classifier of emotions, and how far its probabilities can be trusted."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from graphml.evaluation.uncertainty import check_distributions

NUM_BINS = 15
"""Bins of the expected calibration error, as in Guo et al. (ICML 2017)."""


class EmotionReport(NamedTuple):
    """What :func:`emotion_report` returns, of the M labelled utterances; shares in [0, 1].

    Attributes:
        classes: The C emotions.
        weighted_f1: F1 of the classes, weighted by their support.
        accuracy: Share of the utterances that are right.
        macro_f1: Mean F1 of the classes that occur or are predicted.
        calibration_error: Mean distance of confidence and accuracy over 15 equal bins of confidence.
        class_f1: ``[C]``; 0 for a class that neither occurs nor is predicted.
        class_accuracy: ``[C]`` share of each class's utterances that are right (its recall); 0 without support.
        support: ``[C]`` utterances of each class.
        confusion: ``[C, C]`` utterances of each label (row) by prediction (column).
        confidence: ``[M]`` probability of the predicted class.
        correct: ``[M]`` whether it is the label.
    """

    classes: tuple[str, ...]
    weighted_f1: float
    accuracy: float
    macro_f1: float
    calibration_error: float
    class_f1: Tensor
    class_accuracy: Tensor
    support: Tensor
    confusion: Tensor
    confidence: Tensor
    correct: Tensor


def emotion_report(probabilities: Tensor, labels: Tensor, classes: Sequence[str]) -> EmotionReport:
    """Compare predictions with labels; utterances without a label are left out of every number.

    Args:
        probabilities: ``[N, C]``, each row at least 0 and of sum 1.
        labels: ``[N]`` integer numbers of the classes, -1 where unknown.
        classes: Names of the C classes.

    Returns:
        The report, its tensors on the CPU.

    Raises:
        ValueError: If the shapes do not agree, a row is no distribution, a label is no class, or none is known.
    """
    num_classes = len(classes)
    if num_classes < 2 or probabilities.dim() != 2 or probabilities.size(1) != num_classes:
        expected = f"shape [N, {num_classes}] for the classes {', '.join(classes)}, at least 2"
        raise ValueError(f"probabilities: expected {expected}, got {list(probabilities.shape)}")
    if labels.shape != probabilities.shape[:1] or labels.is_floating_point():
        expected = f"integers of shape [{len(probabilities)}]"
        raise ValueError(f"labels: expected {expected}, got {labels.dtype} of {list(labels.shape)}")
    if bool(((labels < -1) | (labels >= num_classes)).any()):
        raise ValueError(f"labels: expected -1 to {num_classes - 1}, got {int(labels.min())} to {int(labels.max())}")
    known = labels >= 0
    if not bool(known.any()):
        raise ValueError(f"labels: expected at least one known, got -1 for all {labels.numel()} utterances")
    # Rounding may lift a probability above 1, and torchmetrics would then take all of them for logits.
    p = check_distributions(probabilities[known].detach().cpu().double()).clamp(max=1)
    y = labels[known].cpu().long()
    confidence, predicted = p.max(dim=1)
    return EmotionReport(
        classes=tuple(classes),
        weighted_f1=float(multiclass_f1_score(predicted, y, num_classes, average="weighted")),
        accuracy=float(multiclass_accuracy(predicted, y, num_classes, average="micro")),
        macro_f1=float(multiclass_f1_score(predicted, y, num_classes, average="macro")),
        calibration_error=float(multiclass_calibration_error(p, y, num_classes, n_bins=NUM_BINS)),
        class_f1=multiclass_f1_score(predicted, y, num_classes, average="none"),
        class_accuracy=multiclass_accuracy(predicted, y, num_classes, average="none"),
        support=torch.bincount(y, minlength=num_classes),
        confusion=multiclass_confusion_matrix(predicted, y, num_classes),
        confidence=confidence,
        correct=predicted == y,
    )
