"""Figure: how many times faster than a reference each rival is, job by job."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from graphml.plots.style import MARKERS, PALETTE, tidy


class Ratio(NamedTuple):
    """A point of the chart: a candidate's speed on a job, in multiples of the reference's; the goal may be NaN."""

    job: str
    candidate: str
    ratio: float
    goal: float = math.nan


def ratio_chart(ratios: Sequence[Ratio], title: str = "") -> Figure:
    """Draw a row for each job, a point for each candidate, and a bar at each goal, on a logarithmic axis.

    Args:
        ratios: The points, all ratios positive.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is nothing to draw or a ratio is not positive.
    """
    if not ratios or not all(point.ratio > 0 for point in ratios):
        raise ValueError(f"ratios: expected at least one point and positive ratios, got {list(ratios)}")
    jobs = list(dict.fromkeys(point.job for point in ratios))
    candidates = list(dict.fromkeys(point.candidate for point in ratios))
    figure = Figure(figsize=(8.0, 1.6 + 0.45 * len(jobs)), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    for number, name in enumerate(candidates):
        points = [point for point in ratios if point.candidate == name]
        color, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        rows = [jobs.index(point.job) for point in points]
        axes.scatter([point.ratio for point in points], rows, color=color, marker=marker, label=name, zorder=3)
        goals = [(point.goal, row) for point, row in zip(points, rows, strict=True) if not math.isnan(point.goal)]
        for goal, row in goals:
            axes.plot([goal, goal], [row - 0.35, row + 0.35], color=color, linestyle=":")
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(jobs)), jobs)
    axes.set_ylim(len(jobs) - 0.5, -0.5)
    axes.set(xlabel="times as fast as the reference (dotted: goal)", title=title)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
