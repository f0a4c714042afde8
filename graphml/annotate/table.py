"""Annotations as a CSV file."""

import csv
import math
from pathlib import Path

from graphml.annotate.prediction import Annotations
from graphml.io import atomic_write


def write_table(path: Path, annotations: Annotations) -> None:
    """Write a row for each utterance.

    The columns: dialogue, utterance, speaker, start, end (seconds), text, emotion, the probability of each emotion
    (``p_`` and its name), confidence (that of the emotion), uncertainty, aleatoric, epistemic (nats), label. A
    text that a spreadsheet would take for a formula begins with an apostrophe.

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
            words = [_harmless(text) for text in (*u[:3], u.text, u.label)]
            writer.writerow([*words[:3], *times, words[3], annotations.classes[number], *numbers, words[4]])


def _harmless(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
