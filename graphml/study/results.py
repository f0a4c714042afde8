"""The numbers of a study: rows as measured, their summary, and the table that people read."""

import csv
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from graphml.io import atomic_write


class Measurement(NamedTuple):
    """One number of one run.

    Attributes:
        split: Split of the data, such as ``public``; empty where the run names none.
        metric: What was measured, such as ``test_accuracy``.
        value: The number; accuracies as a fraction.
    """

    split: str
    metric: str
    value: float


class Row(NamedTuple):
    """One line of ``results.csv``.

    Attributes:
        study: Name of the study.
        variant: Name of the variant.
        seed: Seed of the run.
        split: Split of the data.
        metric: What was measured.
        value: The number.
        seconds: Wall-clock time of the whole run.
        peak_memory_mib: Most memory that the run held, in MiB: of the GPU where it used one, else of the process.
        versions: Versions of the packages that matter.
        commit: Commit of the code, with ``-dirty`` if it had changes; empty outside a checkout.
    """

    study: str
    variant: str
    seed: int
    split: str
    metric: str
    value: float
    seconds: float
    peak_memory_mib: float
    versions: str
    commit: str


class Summary(NamedTuple):
    """One line of ``summary.csv``.

    Attributes:
        study: Name of the study.
        variant: Name of the variant.
        split: Split of the data.
        metric: What was measured.
        n: Number of seeds.
        mean: Mean over the seeds.
        std: Sample standard deviation over the seeds (n - 1); NaN for a single seed.
    """

    study: str
    variant: str
    split: str
    metric: str
    n: int
    mean: float
    std: float


def read_rows(path: Path) -> list[Row]:
    """Read ``results.csv``.

    Args:
        path: The file; a missing one has no rows.

    Returns:
        Its rows.

    Raises:
        ValueError: If its columns are not those of a study.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    if not lines or tuple(lines[0]) != Row._fields:
        raise ValueError(
            f"{path}: expected the columns {','.join(Row._fields)}; is this another file? Use another --out"
        )
    types = Row.__annotations__.values()
    return [Row(*(convert(cell) for convert, cell in zip(types, line, strict=True))) for line in lines[1:]]


def write_rows(path: Path, kind: type[Row] | type[Summary], rows: Iterable[Row] | Iterable[Summary]) -> None:
    """Write a CSV file at once: readers see all of its rows or none.

    Args:
        path: The file.
        kind: Class of the rows, whose fields are the columns.
        rows: What to write.
    """
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(kind._fields)
        writer.writerows(rows)


def in_order(rows: Iterable[Row], variants: Sequence[str]) -> list[Row]:
    """Sort rows so that the order in which the runs ended does not show.

    Args:
        rows: Rows in any order.
        variants: Variants in the order of the study's file; others come after them.

    Returns:
        The rows by variant and seed, those of one run in the order in which it measured them.
    """
    position = {name: index for index, name in enumerate(variants)}
    return sorted(rows, key=lambda row: (position.get(row.variant, len(position)), row.variant, row.seed))


def _groups(rows: Iterable[Row], *fields: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in fields), []).append(row)
    return groups


def summarize(rows: Iterable[Row]) -> list[Summary]:
    """Return mean and standard deviation over the seeds of each variant, split and metric.

    Args:
        rows: Rows of one or more studies.

    Returns:
        One summary for each group, in the order of the rows.
    """
    summaries = []
    for (study, variant, split, metric), group in _groups(rows, "study", "variant", "split", "metric").items():
        values = [row.value for row in group]
        std = statistics.stdev(values) if len(values) > 1 else math.nan
        summaries.append(Summary(study, variant, split, metric, len(values), statistics.fmean(values), std))
    return summaries


def in_percent(metric: str) -> bool:
    """Return whether a metric is a fraction that people read in percent.

    Args:
        metric: Name of the metric.

    Returns:
        Whether it is an accuracy or an F1 score.
    """
    return "accuracy" in metric or "f1" in metric


def format_value(metric: str, value: float) -> str:
    """Return a number as the table shows it.

    Args:
        metric: Name of the metric.
        value: The number.

    Returns:
        Percent with two digits for accuracies, else four significant digits.
    """
    return f"{100 * value:.2f}" if in_percent(metric) else f"{value:.4g}"


def table(rows: Sequence[Row]) -> str:
    """Return the table: a row for each seed, then mean and standard deviation, for each variant and split.

    Args:
        rows: Rows in the order to show (see :func:`in_order`).

    Returns:
        An aligned Markdown table, which reads as plain text too.
    """
    metrics = list(dict.fromkeys(row.metric for row in rows))
    header = ["variant", "split", "seed", *(f"{name} (%)" if in_percent(name) else name for name in metrics)]
    means = {(s.variant, s.split, s.metric): s for s in summarize(rows)}
    body = []
    for (variant, split), group in _groups(rows, "variant", "split").items():
        for (seed,), measured in _groups(group, "seed").items():
            cells = {row.metric: format_value(row.metric, row.value) for row in measured}
            body.append([variant, split, str(seed), *(cells.get(name, "") for name in metrics)])
        spread = [_mean_and_std(means.get((variant, split, name))) for name in metrics]
        body.append([variant, split, "mean ± std", *spread])
    return aligned([header, *body], left=3)


def _mean_and_std(summary: Summary | None) -> str:
    if summary is None:
        return ""
    mean = format_value(summary.metric, summary.mean)
    return mean if summary.n == 1 else f"{mean} ± {format_value(summary.metric, summary.std)}"


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Return a Markdown table that reads as plain text too.

    Args:
        lines: Cells, the header first.
        left: Number of columns from the left whose cells are flush left; the others are flush right.
    """
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    text = ""
    for line in (lines[0], rule, *lines[1:]):
        cells = [f"{c:<{w}}" if i < left else f"{c:>{w}}" for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        text += "| " + " | ".join(cells) + " |\n"
    return text
