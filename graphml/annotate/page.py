"""Annotations as one HTML file that needs nothing else: no network, no other file.

What people wrote reaches the page as JSON in a block that no browser runs, and from there as text, never as HTML. The
Content-Security-Policy names the only script and the only style by their hashes, and forbids every connection.
"""

import base64
import hashlib
import itertools
import json
import math
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from graphml.annotate.prediction import Annotations
from graphml.evaluation import emotion_report
from graphml.io import atomic_write

NUM_COLORS = 8
"""Colours of page.css."""

COLOR_OF = {"hap": 4, "joy": 4, "sad": 0, "ang": 1, "neu": 7, "exc": 3, "sur": 3, "dis": 2, "fru": 6, "fea": 5}
"""Colours that people expect, by the first letters of an emotion; others take those that are left."""


def write_page(path: Path, annotations: Annotations) -> None:
    """Write the page.

    Args:
        path: The file.
        annotations: What to show.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(render(annotations), "utf-8")


def render(annotations: Annotations) -> str:
    """Return the page.

    Args:
        annotations: What to show.
    """
    style, script, template = (_asset(f"page.{kind}") for kind in ("css", "js", "html"))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; base-uri 'none'"
    parts = {
        "policy": f"{policy}; form-action 'none'",
        "style": style,
        "script": script,
        "data": inert_json(page_data(annotations)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def inert_json(value: Any) -> str:
    """Return JSON that no text in it can break out of, wherever in a page it stands.

    Args:
        value: What to write.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", text)


def colors(classes: Sequence[str]) -> list[int]:
    """Choose a colour of page.css for each emotion, none twice while there are enough.

    Args:
        classes: The emotions.

    Returns:
        Numbers of the colours.
    """
    chosen: dict[str, int] = {}
    for name in classes:
        wanted = COLOR_OF.get(name.lower()[:3])
        if wanted is not None and wanted not in chosen.values():
            chosen[name] = wanted
    left = itertools.cycle(
        [number for number in range(NUM_COLORS) if number not in chosen.values()] or range(NUM_COLORS)
    )
    return [chosen[name] if name in chosen else next(left) for name in classes]


def page_data(annotations: Annotations) -> dict[str, Any]:
    """Return what the page's script draws.

    Args:
        annotations: What to show.
    """
    known = bool((annotations.labels >= 0).any())
    relations = annotations.relations
    utterances = _utterances(annotations)
    dialogues = []
    for name, group in itertools.groupby(utterances, lambda row: row.pop("dialogue")):
        dialogues.append({"name": name, "utterances": list(group)})
    return {
        "classes": annotations.classes,
        "colors": colors(annotations.classes),
        "relations": relations.names if relations else [],
        "method": annotations.method,
        "report": _report(annotations) if known else None,
        "dialogues": dialogues,
    }


def _utterances(annotations: Annotations) -> list[dict[str, Any]]:
    """A record of each utterance; sources of relations are numbered within the dialogue, as its utterances are."""
    rows = annotations.conversations.utterances
    lengths = annotations.conversations.lengths.tolist()
    starts = [
        first
        for first, length in zip(itertools.accumulate(lengths, initial=0), lengths, strict=False)
        for _ in range(length)
    ]
    records = [
        {
            "dialogue": u.dialogue,
            "name": u.utterance,
            "speaker": u.speaker,
            "start": None if math.isnan(u.start) else u.start,
            "end": None if math.isnan(u.end) else u.end,
            "text": u.text,
            "label": label,
            "p": [round(value, 4) for value in p],
            "uncertainty": [round(value, 4) for value in uncertainty],
            "relations": [],
        }
        for u, label, p, *uncertainty in zip(
            rows,
            annotations.labels.tolist(),
            annotations.probabilities.tolist(),
            *(part.tolist() for part in annotations.uncertainty),
            strict=True,
        )
    ]
    if annotations.relations is not None:
        for source, target, relation, weight in zip(*annotations.relations[:4], strict=True):
            edge = [int(source) - starts[target], int(relation), float(f"{weight:.4g}")]
            records[target]["relations"].append(edge)
    return records


def _report(annotations: Annotations) -> dict[str, Any]:
    report = emotion_report(annotations.probabilities, annotations.labels, annotations.classes)
    scores = ("accuracy", "weighted_f1", "macro_f1", "calibration_error")
    return {name: round(getattr(report, name), 4) for name in scores} | {"confusion": report.confusion.tolist()}


def _asset(name: str) -> str:
    return files("graphml.annotate").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
