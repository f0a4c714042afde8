"""Table, CSV file and charts of benchmark results."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from graphml.bench.measure import Result
from graphml.io import atomic_write
from graphml.plots import Ratio, ratio_chart
from graphml.study import provenance
from graphml.study.results import aligned

HEADER = ("job", "size", "candidate", "ms", "ratio", "goal", "peak MiB", "of copy bandwidth")


def table(results: Sequence[Result]) -> str:
    """Return an aligned Markdown table of the results of one benchmark.

    Args:
        results: The results.
    """
    lines = [
        [
            result.job,
            result.size,
            result.candidate,
            f"{result.milliseconds:.3g}",
            f"{result.ratio:.2f}",
            "" if math.isnan(result.goal) else f"{result.goal:g}",
            f"{result.peak_mib:.1f}",
            "" if math.isnan(result.bandwidth) else f"{100 * result.bandwidth:.0f} %",
        ]
        for result in results
    ]
    return aligned([HEADER, *lines], left=3)


def write_report(out: Path, results: Mapping[str, Sequence[Result]], machine: str) -> None:
    """Write ``results.csv`` and a chart for each benchmark.

    Args:
        out: Folder of the results.
        results: For each benchmark its results.
        machine: What the times depend on.
    """
    stamp = (machine, provenance.versions(), provenance.commit())
    with atomic_write(out / "results.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["benchmark", *Result._fields, "machine", "versions", "commit"])
        for name, rows in results.items():
            writer.writerows([name, *(_short(value) for value in row), *stamp] for row in rows)
    for name, rows in results.items():
        points = [Ratio(f"{row.job}\n{row.size}", row.candidate, row.ratio, row.goal) for row in rows]
        with atomic_write(out / "figures" / f"{name}.png") as path:
            ratio_chart(points, name).savefig(path)


def _short(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return value
