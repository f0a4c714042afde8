"""Runs a federation and leaves everything that people look for in a folder."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from graphml.federated.engines import Engine, SequentialEngine, VectorisedEngine
from graphml.federated.engines.vectorised import why_not
from graphml.federated.history import Round, fault_report
from graphml.federated.setup import Setup
from graphml.federated.simulation import Result, simulate
from graphml.io import atomic_write
from graphml.plots import federation_curves, partition_bars

CHECKPOINT = "checkpoint.pt"


class Outcome(NamedTuple):
    """What a run is reported by.

    Attributes:
        chosen: The round whose metrics count: the best by validation, or the last where the protocol says so.
        metrics: Its metrics.
        bytes_up: Encoded size of everything that clients sent.
        bytes_down: Encoded size of everything that they were sent.
        faults: Number of answers that were not used.
    """

    chosen: Round
    metrics: dict[str, float]
    bytes_up: int
    bytes_down: int
    faults: int


def run(setup: Setup, folder: Path, resume: bool = False, progress: bool = True, figures: bool = True) -> Outcome:
    """Run a federation.

    Args:
        setup: What is run.
        folder: Gets ``rounds.csv``, ``partition.csv``, ``faults.txt``, ``weights.pt`` (of the chosen round), the
            checkpoint and the figures.
        resume: Go on from the folder's checkpoint.
        progress: Show a progress bar.
        figures: Draw the figures.

    Returns:
        What it is reported by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_partition(setup, folder, figures)
    result = simulate(
        setup.strategy,
        setup.clients,
        setup.rounds,
        ENGINES[setup.engine](setup),
        server=setup.server,
        seed=setup.seed,
        schedule=setup.schedule,
        checkpoint=folder / CHECKPOINT,
        resume=resume,
        progress=progress,
    )
    return write_result(setup, result, folder, figures)


def write_result(setup: Setup, result: Result, folder: Path, figures: bool) -> Outcome:
    """Write what a run has measured.

    Args:
        setup: What was run.
        result: What came of it.
        folder: Where to.
        figures: Draw the curves.
    """
    history = result.history
    last = setup.protocol is not None and setup.protocol.select == "last"
    chosen = history.evaluated[-1] if last else history.best
    history.write(folder / "rounds.csv")
    with atomic_write(folder / "weights.pt") as path:
        torch.save(result.last_state if last else result.state, path)
    with atomic_write(folder / "faults.txt") as path:
        path.write_text(fault_report(history.faults))
    if figures:
        _draw_curves(setup, result, chosen.round, folder)
    up, down = (sum(getattr(row, name) for row in history.rounds) for name in ("bytes_up", "bytes_down"))
    return Outcome(chosen, chosen.metrics, up, down, len(history.faults))


def write_partition(setup: Setup, folder: Path, figures: bool = True) -> None:
    """Write who holds how much of what.

    Args:
        setup: What is run.
        folder: Gets ``partition.csv``, a line a client, and ``partition.png``.
        figures: Draw the figure.
    """
    statistics = setup.partition.statistics(setup.items)
    counts = statistics.label_counts
    with atomic_write(folder / "partition.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        labels = [] if counts is None else [f"label_{number}" for number in range(counts.size(1))]
        writer.writerow(["client", "size", *labels])
        for number, size in enumerate(statistics.sizes.tolist()):
            writer.writerow([number, size, *([] if counts is None else counts[number].tolist())])
    if figures:
        with atomic_write(folder / "partition.png") as path:
            partition_bars(statistics).savefig(path)


def _draw_curves(setup: Setup, result: Result, chosen: int, folder: Path) -> None:
    metric = setup.schedule.monitor.removeprefix("val_")
    rows = result.history.evaluated
    names = {"validation": f"val_{metric}", "test": f"test_{metric}"}
    curves = {
        label: [row.metrics[name] for row in rows]
        for label, name in names.items()
        if all(name in row.metrics for row in rows)
    }
    with atomic_write(folder / "curves.png") as path:
        federation_curves([row.round for row in rows], curves, metric.replace("_", " "), chosen).savefig(path)


def _sequential(setup: Setup) -> Engine:
    return SequentialEngine(setup.timeout)


def _vectorised(setup: Setup) -> Engine:
    return VectorisedEngine(setup.timeout)


def _fastest(setup: Setup) -> Engine:
    # Joint training knows no time limit for a single client.
    joint = setup.timeout is None and why_not(setup.clients[:1]) is None
    return _vectorised(setup) if joint else _sequential(setup)


ENGINES: dict[str, Callable[[Setup], Engine]] = {
    "auto": _fastest,
    "sequential": _sequential,
    "vectorised": _vectorised,
}
"""In-process engines by name; ``auto`` takes the fastest that applies."""
