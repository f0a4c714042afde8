"""What is known of the trials of a search: the rows of ``trials.csv``."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graphml.io import atomic_write

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

INTERRUPTED = "interrupted"
"""State of a trial that was stopped with its search; its configuration is tried again when the search goes on."""


class TrialRow(NamedTuple):
    """One trial.

    Attributes:
        number: Its number, from 0.
        state: ``complete``, ``pruned``, ``failed`` or ``interrupted``.
        value: Validation metric: of a trial that did not complete the last that it reported; NaN if it reported none.
        rounds: Rounds (central studies: epochs) that it trained.
        seconds: Wall-clock time.
        note: Why it failed, or that the budget was spent.
        parameters: What was tried, by key of the configuration.
    """

    number: int
    state: str
    value: float
    rounds: int
    seconds: float
    note: str
    parameters: dict[str, Any]


def row_of(trial: "FrozenTrial") -> TrialRow:
    """Make the row of a trial.

    Args:
        trial: Optuna's record of it.
    """
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    notes = trial.user_attrs
    state = names.get(trial.state.name, INTERRUPTED)
    if state == "failed" and "note" not in notes:  # stopped from outside: a failure has its reason
        state = INTERRUPTED
    last = trial.intermediate_values.get(trial.last_step, math.nan) if trial.last_step is not None else math.nan
    value = trial.value if state == "complete" and trial.value is not None else last
    seconds = trial.duration.total_seconds() if trial.duration is not None else 0.0
    rounds = notes.get("rounds", trial.last_step or 0)
    return TrialRow(trial.number, state, value, rounds, round(seconds, 3), notes.get("note", ""), trial.params)


def write_trials(path: Path, rows: Sequence[TrialRow]) -> None:
    """Write a CSV file, a line a trial, a column a parameter.

    Args:
        path: The file.
        rows: The trials.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.parameters))
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "state", "value", "rounds", "seconds", *names, "note"])
        for row in rows:
            value = "" if math.isnan(row.value) else f"{row.value:.7g}"
            tried = [row.parameters.get(name, "") for name in names]
            writer.writerow([row.number, row.state, value, row.rounds, row.seconds, *tried, row.note])


def best_of(rows: Sequence[TrialRow], minimise: bool) -> TrialRow | None:
    """The best of the trials that were completed, the earliest of equals; None if none was.

    Args:
        rows: The trials.
        minimise: Whether the lowest value is the best.
    """
    complete = [row for row in rows if row.state == "complete"]
    sign = 1 if minimise else -1
    return min(complete, key=lambda row: (sign * row.value, row.number), default=None)
