"""Runs a federation and leaves everything that people look for in a folder."""

import csv
import functools
import statistics
from pathlib import Path
from typing import NamedTuple

import torch
from pytorch_lightning.loggers import Logger

from graphml.federated.engines import SequentialEngine, VectorisedEngine
from graphml.federated.engines.flower import run_on_flower
from graphml.federated.engines.in_process import InProcessEngine
from graphml.federated.engines.vectorised import why_not
from graphml.federated.history import Round, fault_report
from graphml.federated.message import Message
from graphml.federated.privacy.stage import spent
from graphml.federated.setup import Setup
from graphml.federated.simulation import Result, simulate
from graphml.federated.weights import Weights
from graphml.io import atomic_write
from graphml.plots import federation_curves, partition_bars
from graphml.tasks.task import Task

CHECKPOINT = "checkpoint.pt"
FLOWER = ("flower", "flower-deployment")


class Outcome(NamedTuple):
    """What a run is reported by.

    Attributes:
        chosen: The round whose metrics count: the best by validation, or the last where the protocol says so.
        metrics: Its metrics; and the epsilon of all rounds, where the strategy is private.
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
    spent(setup.strategy, setup.rounds)  # what an accountant lacks is told now, not when all is trained
    folder.mkdir(parents=True, exist_ok=True)
    write_partition(setup, folder, figures)
    result = _result(setup, folder / CHECKPOINT, resume, progress)
    return write_result(setup, result, folder, figures)


def _result(setup: Setup, checkpoint: Path, resume: bool, progress: bool) -> Result:
    if setup.engine in FLOWER:
        deployment = setup.engine == "flower-deployment"
        return run_on_flower(setup, checkpoint, resume=resume, progress=progress, deployment=deployment)
    return simulate(
        setup.strategy,
        setup.clients,
        setup.rounds,
        in_process_engine(setup),
        server=setup.server,
        seed=setup.seed,
        schedule=setup.schedule,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
        on_round=None if setup.logger is None else functools.partial(log_round, setup.logger),
    )


def log_round(logger: Logger, row: Round) -> None:
    """Hand a round to a logger.

    Args:
        logger: The logger.
        row: The round.
    """
    counts = {name: float(getattr(row, name)) for name in ("clients", "faults", "bytes_up", "bytes_down", "seconds")}
    logger.log_metrics(counts | row.metrics, step=row.round)
    logger.save()


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
    chosen, state = (history.evaluated[-1], result.last_state) if last else (history.best, result.state)
    history.write(folder / "rounds.csv")
    with atomic_write(folder / "weights.pt") as path:
        torch.save(state, path)
    with atomic_write(folder / "faults.txt") as path:
        path.write_text(fault_report(history.faults))
    if figures:
        _draw_curves(setup, result, chosen.round, folder)
    up, down = (sum(getattr(row, name) for row in history.rounds) for name in ("bytes_up", "bytes_down"))
    privacy = spent(setup.strategy, history.rounds[-1].round)
    return Outcome(chosen, chosen.metrics | _final_metrics(setup, state) | privacy, up, down, len(history.faults))


def _final_metrics(setup: Setup, state: Weights) -> dict[str, float]:
    """Metrics that need all data at once, of the global model, or the mean of those of the clients' own models."""
    if setup.server is None or type(setup.task).final_metrics is Task.final_metrics:
        return {}
    batches = list(setup.server.data.batches("test"))
    if len(batches) != 1:  # mini-batches: none of them is all data
        return {}
    models = [setup.server] if not setup.strategy.personalised else list(setup.clients)
    values = []
    for model in models:
        setup.task.load_state_dict(model.start(Message(state)))
        values.append(setup.task.final_metrics(batches[0]))
    return {name: statistics.fmean(value[name] for value in values) for name in values[0]}


def write_partition(setup: Setup, folder: Path, figures: bool = True) -> None:
    """Write who holds how much of what.

    Args:
        setup: What is run.
        folder: Gets ``partition.csv``, a line a client, and ``partition.png``.
        figures: Draw the figure.
    """
    found = setup.partition.statistics(setup.items)
    counts = found.label_counts
    with atomic_write(folder / "partition.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        labels = [] if counts is None else [f"label_{number}" for number in range(counts.size(1))]
        writer.writerow(["client", "size", *labels])
        for number, size in enumerate(found.sizes.tolist()):
            writer.writerow([number, size, *([] if counts is None else counts[number].tolist())])
    if figures:
        with atomic_write(folder / "partition.png") as path:
            partition_bars(found).savefig(path)


def _draw_curves(setup: Setup, result: Result, chosen: int, folder: Path) -> None:
    metric = result.history.monitor.removeprefix("val_")
    rows = result.history.evaluated
    names = {"validation": f"val_{metric}", "test": f"test_{metric}"}
    curves = {
        label: [row.metrics[name] for row in rows]
        for label, name in names.items()
        if all(name in row.metrics for row in rows)
    }
    with atomic_write(folder / "curves.png") as path:
        federation_curves([row.round for row in rows], curves, metric.replace("_", " "), chosen).savefig(path)


IN_PROCESS = ("auto", "sequential", "vectorised")
"""Engines of this process by name; ``auto`` takes the fastest that applies."""


def in_process_engine(setup: Setup) -> InProcessEngine:
    """Make the engine that a federation asks for.

    Args:
        setup: What is run.

    Raises:
        ValueError: If there is none of that name.
    """
    if setup.engine not in IN_PROCESS:
        raise ValueError(f"engine: expected one of {', '.join([*IN_PROCESS, *FLOWER])}, got {setup.engine!r}")
    # Joint training knows no time limit for a single client.
    joint = setup.timeout is None and why_not(setup.clients[:1]) is None
    if setup.engine == "vectorised" or (setup.engine == "auto" and joint):
        return VectorisedEngine(setup.timeout)
    return SequentialEngine(setup.timeout)
