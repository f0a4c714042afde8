"""Carries a search out: trials, report, and the test of what was found."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from graphml.federated.tuning.search import Report, Searcher
from graphml.federated.tuning.space import Choice, laid_over
from graphml.federated.tuning.trials import TrialRow, write_trials
from graphml.io import atomic_write
from graphml.plots import search_history
from graphml.study import runner
from graphml.study.results import in_percent
from graphml.study.watch import Watch
from graphml.tune.planning import Plan

SETTINGS, JOURNAL = "tune.yaml", "journal.log"


class Outcome(NamedTuple):
    """What came of a search.

    Attributes:
        rows: Its trials.
        best: The best of them; None if none was completed.
        table: Test metrics of the best configuration over the seeds; empty without one.
        failed: Seeds whose test failed.
    """

    rows: list[TrialRow]
    best: TrialRow | None
    table: str
    failed: list[str]


def run(plan: Plan, resume: bool = False, overwrite: bool = False, progress: bool = True) -> Outcome:
    """Search, and test the best configuration once.

    Args:
        plan: What to do.
        resume: Go on with the search in the folder.
        overwrite: Forget the search in the folder.
        progress: Show a progress bar.

    Returns:
        What came of it; the files are in the plan's folder.

    Raises:
        ValueError: If the folder holds a search and neither is asked for, or holds another one, or is in use.
        DatasetMissingError: If the dataset is not on this machine.
        FailingTrialsError: If trial after trial fails.
    """
    with runner.locked(plan.out):
        _prepare(plan, resume, overwrite)
        journal, unit = plan.out / JOURNAL, plan.unit.removesuffix("s")
        searcher = Searcher(plan.search, plan.name, journal, plan.length, plan.minimise, progress, unit)
        try:
            searcher.run(_objective(plan))
        finally:
            write_report(plan, searcher)
        table, failed = _test(plan, searcher.best)
    return Outcome(searcher.rows, searcher.best, table, failed)


def _prepare(plan: Plan, resume: bool, overwrite: bool) -> None:
    path = plan.out / SETTINGS
    if overwrite:
        for old in (JOURNAL, SETTINGS):
            (plan.out / old).unlink(missing_ok=True)
        shutil.rmtree(plan.out / "test", ignore_errors=True)
    if path.exists() and not resume:
        raise ValueError(f"--out: {plan.out} holds a search: add --resume or --overwrite, or choose another folder")
    if path.exists():
        changed = sorted(runner.differences(yaml.safe_load(path.read_text()), plan.told))
        if changed:
            raise ValueError(f"--resume: the search in {plan.out} is another one: {', '.join(changed[:5])} changed")
    elif resume:
        raise ValueError(f"--resume: expected a search with a {SETTINGS} in {plan.out}, found none")
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(plan.told, sort_keys=False))


def _objective(plan: Plan) -> Any:
    def objective(parameters: dict[str, Choice], number: int, report: Report) -> float:
        watch = Watch(plan.monitor, report, plan.search.rungs)
        with tempfile.TemporaryDirectory() as folder:
            config = laid_over(plan.config, parameters)
            return plan.kind.validate(config, plan.options, plan.search.seed, Path(folder), watch)

    return objective


def write_report(plan: Plan, searcher: Searcher) -> None:
    """Write ``trials.csv``, ``best.yaml`` and ``history.png`` from the trials that there are.

    Args:
        plan: The search.
        searcher: Its trials.
    """
    rows, best = searcher.rows, searcher.best
    write_trials(plan.out / "trials.csv", rows)
    if best is not None:
        with atomic_write(plan.out / "best.yaml") as path:
            path.write_text(yaml.safe_dump(laid_over(plan.config, best.parameters), sort_keys=False))
    if rows:
        scale, unit = (100.0, " (%)") if in_percent(plan.monitor) else (1.0, "")
        label = plan.monitor.replace("_", " ") + unit
        points = [(row.rounds, scale * row.value, row.state) for row in rows]
        with atomic_write(plan.out / "history.png") as path:
            search_history(points, label, f"{plan.unit} trained so far", plan.minimise).savefig(path)


def _test(plan: Plan, best: TrialRow | None) -> tuple[str, list[str]]:
    """The study of the best configuration: the first and only look at its test metrics."""
    if best is None:
        return "", []
    study = runner.Plan(
        study=plan.name,
        run=plan.run,
        configs={"best": laid_over(plan.config, best.parameters)},
        order=("best",),
        seeds=tuple(range(plan.seeds)),
        out=plan.out / "test" / f"trial-{best.number}",
        options=plan.options,
    )
    failed = runner.run_study(study)
    return runner.write_report(study), failed
