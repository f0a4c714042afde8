"""What an audit tells: a table of what defences cost and what leaks, a table of what they withstand, and a chart."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from graphml.plots import audit_chart
from graphml.study.results import Summary, aligned, format_value

HEADLINES = {"auc": 0.5, "edge_auc": 0.5, "feature_recovery": 0.0}
"""Figures of attacks that table and chart show, with what a guess gets; results.csv has all."""

COSTS = ("test_accuracy", "epsilon_client", "epsilon_graph", "epsilon_node", "mebibytes_up")

Cells = dict[tuple[str, str], Summary]
"""Summaries by variant and column."""


def columns_of(summaries: Sequence[Summary]) -> tuple[list[str], list[str], Cells]:
    """Arrange an audit's summaries.

    Args:
        summaries: Means over the seeds.

    Returns:
        Names of the columns of costs, of those of leakage (attack and figure), and the cells.
    """
    cells: Cells = {}
    costs, leaks = [], []
    for summary in summaries:
        if summary.metric in COSTS:
            column = summary.metric
            costs.append(column)
        elif summary.metric in HEADLINES:
            column = f"{summary.split} {summary.metric}".replace("_", " ")
            leaks.append(column)
        else:
            continue
        cells[summary.variant, column] = summary
    return sorted(set(costs), key=COSTS.index), list(dict.fromkeys(leaks)), cells


def audit_tables(summaries: Sequence[Summary]) -> str:
    """Two Markdown tables: confidentiality (variants that were attacked), and robustness (those that were not).

    Args:
        summaries: Means over the seeds.
    """
    costs, leaks, cells = columns_of(summaries)
    variants = list(dict.fromkeys(summary.variant for summary in summaries))
    attacked = [variant for variant in variants if any((variant, leak) in cells for leak in leaks)]
    parts = []
    if attacked:
        parts.append("Confidentiality\n\n" + _table("defence", attacked, [*costs, *leaks], cells))
    others = [variant for variant in variants if variant not in attacked]
    if others:
        parts.append("Robustness\n\n" + _table("federation", others, costs, cells))
    return "\n".join(parts)


def chart_of(summaries: Sequence[Summary], title: str) -> Figure | None:
    """The chart of the attacked variants.

    Args:
        summaries: Means over the seeds.
        title: Title of the figure.

    Returns:
        The figure; None where nothing was attacked.
    """
    _, leaks, cells = columns_of(summaries)
    leakage: dict[str, dict[str, float]] = {leak: {} for leak in leaks}
    guess: dict[str, float] = {}
    for (variant, column), summary in cells.items():
        if column in leakage:
            leakage[column][variant] = summary.mean
            guess[column] = HEADLINES[summary.metric]
    attacked = {variant for found in leakage.values() for variant in found}
    accuracy = {
        variant: summary.mean
        for (variant, column), summary in cells.items()
        if column == "test_accuracy" and variant in attacked
    }
    return audit_chart(accuracy, leakage, guess, title) if accuracy and leakage else None


def _table(title: str, variants: Sequence[str], columns: Sequence[str], cells: Cells) -> str:
    used = [column for column in columns if any((variant, column) in cells for variant in variants)]
    header = [title, *(f"{column} (%)" if column == "test_accuracy" else column for column in used)]
    body = [[variant, *(_cell(cells.get((variant, column))) for column in used)] for variant in variants]
    return aligned([header, *body], left=1)


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return "-"
    mean = _digits(summary.metric, summary.mean)
    return mean if summary.n == 1 else f"{mean} ± {_digits(summary.metric, summary.std)}"


def _digits(metric: str, value: float) -> str:
    return format_value(metric, value) if metric == "test_accuracy" else f"{value:.3g}"
