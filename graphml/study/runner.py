"""Carries a study out: what is missing is run, every run is kept, and the table is made from what there is."""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from graphml.data import DatasetMissingError
from graphml.io import atomic_write
from graphml.plots import study_bars
from graphml.study import provenance
from graphml.study.processes import Run, run_processes
from graphml.study.results import (
    Measurement,
    Row,
    Summary,
    in_order,
    in_percent,
    read_rows,
    summarize,
    table,
    write_rows,
)
from graphml.study.worker import MISSING

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True)
class Plan:
    """A study with everything decided.

    Args:
        study: Name of the study.
        run: Kind of run.
        configs: Full configuration of each variant to run.
        order: All variants of the study, in the order of the table.
        seeds: Seeds to run; figures are drawn for the first.
        out: Folder of the results.
        options: Options of this machine, which no stored configuration holds.
        jobs: Runs at a time.
        overwrite: Forget earlier rows of these variants instead of resuming.
    """

    study: str
    run: str
    configs: dict[str, dict[str, Any]]
    order: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    options: tuple[str, ...] = ()
    jobs: int = 1
    overwrite: bool = False

    @property
    def results(self) -> Path:
        """Where the rows are."""
        return self.out / "results.csv"

    def missing_runs(self, rows: Sequence[Row]) -> list[Run]:
        """Return the runs without rows.

        Args:
            rows: Rows that there are.

        Returns:
            The others, seed by seed, so that a study that is stopped has compared all variants.
        """
        done = {(row.variant, row.seed) for row in rows}
        return [
            Run(
                run=self.run,
                variant=variant,
                config=config,
                options=self.options,
                seed=seed,
                folder=str(self.out / variant / f"seed-{seed}"),
                figures=seed == self.seeds[0],
            )
            for seed in self.seeds
            for variant, config in self.configs.items()
            if (variant, seed) not in done
        ]


def run_study(plan: Plan) -> list[str]:
    """Run what is missing, and write rows, summary, table, figures, configurations and versions.

    Args:
        plan: The study.

    Returns:
        The labels of the runs that failed; the traceback of each is in ``error.txt`` in its folder.

    Raises:
        DatasetMissingError: If the dataset is not on this machine.
        ValueError: If the folder holds another study, or is in use.
    """
    with locked(plan.out):
        _check_study(plan)
        if plan.overwrite:
            _forget(plan)
        _check_configs(plan)
        for variant, config in plan.configs.items():
            _write_text(_config_path(plan, variant), yaml.safe_dump(config, sort_keys=False))
        try:
            return _run_missing(plan)
        finally:
            write_report(plan)


def _run_missing(plan: Plan) -> list[str]:
    rows = read_rows(plan.results)
    runs = plan.missing_runs(rows)
    if runs:  # else the versions stay those of the runs that there are
        _write_text(plan.out / "versions.txt", provenance.all_versions())
    total = len(plan.configs) * len(plan.seeds)
    stamp = (provenance.versions(), provenance.commit())
    if runs and any((row.versions, row.commit) != stamp for row in rows):
        print(
            "rows of another commit or of other package versions stay beside the new ones; see results.csv, and "
            "--overwrite runs all of them again",
            file=sys.stderr,
        )
    failed = []
    with (
        tqdm(total=total, initial=total - len(runs), desc=plan.study, unit="run", file=sys.stderr) as bar,
        contextlib.closing(run_processes(runs, plan.jobs, lambda run: bar.set_postfix_str(run.label))) as ended,
    ):
        for run, status in ended:
            if status == MISSING:
                raise DatasetMissingError((Path(run.folder) / "error.txt").read_text().strip())
            if status == 0:
                rows += _rows_of(plan, run, stamp)
                write_rows(plan.results, Row, rows)
            else:
                failed.append(run.label)
                bar.write(f"failed: {run.label}: {_reason(run, status)}", file=sys.stderr)
            bar.update()
    return failed


def _rows_of(plan: Plan, run: Run, stamp: tuple[str, str]) -> list[Row]:
    answer = json.loads((Path(run.folder) / "measurements.json").read_text())
    cost = (answer["seconds"], answer["peak_memory_mib"])
    measured = [Measurement(*values) for values in answer["measurements"]]
    return [Row(plan.study, run.variant, run.seed, *values, *cost, *stamp) for values in measured]


def _reason(run: Run, status: int) -> str:
    path = Path(run.folder) / "error.txt"
    if not path.exists():  # the process could not write it: killed, or a crash below Python
        log = (Path(run.folder) / "log.txt").read_text()
        path.write_text(f"{log}\nthe process ended with status {status} (-9: killed, often for want of memory)\n")
    return f"{path.read_text().strip().splitlines()[-1]} ({path})"


def write_report(plan: Plan) -> str:
    """Write ``summary.csv``, ``table.md`` and the figures from the rows that there are.

    Args:
        plan: The study.

    Returns:
        The table; empty if there are no rows.
    """
    rows = in_order(read_rows(plan.results), plan.order)
    if not rows:
        return ""
    summaries = summarize(rows)
    write_rows(plan.out / "summary.csv", Summary, summaries)
    _write_text(plan.out / "table.md", table(rows))
    _write_figures(plan, summaries)
    return table(rows)


def _write_figures(plan: Plan, summaries: Sequence[Summary]) -> None:
    for variant in plan.configs:
        for source in sorted((plan.out / variant / f"seed-{plan.seeds[0]}").rglob("*.png")):
            with atomic_write(plan.out / "figures" / f"{variant}-{source.name}") as path:
                shutil.copyfile(source, path)
    names = [summary.metric for summary in summaries]
    metric = "test_accuracy" if "test_accuracy" in names else names[0]
    scale, unit = (100, " (%)") if in_percent(metric) else (1, "")
    panels: dict[str, dict[str, tuple[float, float]]] = {}
    for summary in summaries:
        if summary.metric == metric:
            panels.setdefault(summary.split, {})[summary.variant] = (scale * summary.mean, scale * summary.std)
    with atomic_write(plan.out / "figures" / "summary.png") as path:
        study_bars(panels, metric.replace("_", " ") + unit, plan.study).savefig(path)


def _config_path(plan: Plan, variant: str) -> Path:
    return plan.out / "configs" / f"{variant}.yaml"


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text)


def _check_study(plan: Plan) -> None:
    """Refuse to mix numbers of different studies."""
    others = sorted({row.study for row in read_rows(plan.results)} - {plan.study})
    if others:
        raise ValueError(f"{plan.results} holds the study {others[0]}, not {plan.study}: use another --out")


def _check_configs(plan: Plan) -> None:
    """Refuse to mix numbers of different configurations."""
    for variant, config in plan.configs.items():
        path = _config_path(plan, variant)
        changed = sorted(differences(yaml.safe_load(path.read_text()), config)) if path.exists() else []
        if changed:
            raise ValueError(
                f"variant {variant} was run with another configuration in {plan.out}: {', '.join(changed[:5])}"
                f"{' and more' if len(changed) > 5 else ''} changed; use another --out to keep the earlier rows, or "
                "--overwrite to forget them"
            )


def _forget(plan: Plan) -> None:
    rows = read_rows(plan.results)
    write_rows(plan.results, Row, [row for row in rows if row.variant not in plan.configs])
    for variant in plan.configs:
        _config_path(plan, variant).unlink(missing_ok=True)
        shutil.rmtree(plan.out / variant, ignore_errors=True)


def differences(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """Compare two configurations.

    Args:
        old: A configuration, or a part of one.
        new: Another.
        prefix: Key of both.

    Yields:
        The dotted keys whose values differ.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from differences(old.get(key), new.get(key), f"{prefix}.{key}".lstrip("."))
    elif old != new:
        yield prefix


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder: two processes at a time would lose each other's rows.

    Args:
        folder: The folder of a study or of a search; it is made if it is not there.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(
                    f"another process is at work in {folder}: wait for it, or use another --out"
                ) from error
        yield
