"""Annotations as a CSV file."""

import csv
import math
from pathlib import Path

from graphml.annotate.prediction import Annotations
from graphml.io import atomic_write


def write_table(path: Path, annotations: Annotations) -> None:
    """Write a row for each utterance.

    The columns: dialogue, utterance, speaker, start, end (seconds), text, emotion, the probability of each emotion
    (``p_`` and its name), confidence (that of the emotion), uncertainty, aleatoric, epistemic (nats), label.

    Args:
        path: The file.
        annotations: What to write.
    """
    given = ("dialogue", "utterance", "speaker", "start", "end", "text")
    probabilities = [f"p_{name}" for name in annotations.classes]
    header = [*given, "emotion", *probabilities, "confidence", "uncertainty", "aleatoric", "epistemic", "label"]
    confidence, emotion = annotations.probabilities.max(dim=1)
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for u, number, p, top, *uncertainty in zip(
            annotations.conversations.utterances,
            emotion.tolist(),
            annotations.probabilities.tolist(),
            confidence.tolist(),
            *(part.tolist() for part in annotations.uncertainty),
            strict=True,
        ):
            times = ["" if math.isnan(time) else f"{time:g}" for time in (u.start, u.end)]
            numbers = [f"{value:.6f}" for value in (*p, top, *uncertainty)]
            writer.writerow([*u[:3], *times, u.text, annotations.classes[number], *numbers, u.label])
