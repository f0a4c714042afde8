"""Figure: what each client of a federation holds, by label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from graphml.plots.style import PALETTE, annotate_bars, new_figure, tidy, to_array

if TYPE_CHECKING:  # figures load no federation
    from graphml.federated.partition.statistics import PartitionStatistics

MOST_CLIENTS = 20
UNLABELLED = "#CFCFCF"

Series = list[tuple[str, NDArray[np.float64], str]]
"""For each part of the bars its name, its length in each of the K bars, and its colour."""


def partition_bars(
    statistics: "PartitionStatistics", classes: Sequence[str] | None = None, title: str = "partition"
) -> Figure:
    """Draw a bar for each client, stacked by label, with its size; the title tells the share of edges that are cut.

    Of more labels than colours the most frequent ones are drawn, and the others as one. More than 20 clients are not
    drawn one by one: histograms of their sizes and of their label skew stand in, and the title says so.

    Args:
        statistics: The numbers of the partition (`Partition.statistics`).
        classes: Names of the C classes; None for "label 0" and so on.
        title: What the figure shows.

    Returns:
        The figure.

    Raises:
        ValueError: If there are not as many names as classes.
    """
    num_classes = 0 if statistics.label_counts is None else statistics.label_counts.size(1)
    if classes is not None and len(classes) != num_classes:
        raise ValueError(f"classes: expected a name for each of the {num_classes} classes, got {len(classes)}")
    names = [f"label {number}" for number in range(num_classes)] if classes is None else list(classes)
    if statistics.sizes.numel() > MOST_CLIENTS:
        return _histograms(statistics, title)
    return _bars(statistics, names, title)


def _bars(statistics: "PartitionStatistics", names: list[str], title: str) -> Figure:
    sizes = to_array(statistics.sizes)
    figure, axes = new_figure(6.4, 1.6 + 0.34 * len(sizes))
    rows, start = np.arange(len(sizes)), np.zeros(len(sizes))
    series = _series(statistics, names)
    for name, lengths, color in series:
        axes.barh(rows, lengths, left=start, height=0.7, color=color, edgecolor="white", linewidth=0.5, label=name)
        start = start + lengths
    annotate_bars(axes, sizes, [f"{size:,.0f}" for size in sizes])
    axes.set_yticks(rows, [f"client {row}" for row in rows])
    axes.set(xlabel="items", xlim=(0, 1.12 * sizes.max()), ylim=(len(sizes) - 0.4, -0.6))
    axes.set_title(_headline(statistics, title), fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _series(statistics: "PartitionStatistics", names: list[str]) -> Series:
    """Cut the bars into the most frequent labels in their order, the other labels as one, and what has no label."""
    sizes = to_array(statistics.sizes)
    if statistics.label_counts is None:
        return [("items", sizes, PALETTE[0])]
    counts = to_array(statistics.label_counts)
    fits = counts.shape[1] <= len(PALETTE)
    frequent = np.argsort(-counts.sum(axis=0), stable=True)[: len(PALETTE) - (not fits)]
    shown: list[int] = np.sort(frequent).tolist()
    series = [(names[label], counts[:, label], color) for label, color in zip(shown, PALETTE, strict=False)]
    if not fits:
        rest = counts.sum(axis=1) - counts[:, shown].sum(axis=1)
        series.append((f"{counts.shape[1] - len(shown)} other labels", rest, PALETTE[-1]))
    unlabelled = sizes - counts.sum(axis=1)
    return [*series, ("unlabelled", unlabelled, UNLABELLED)] if unlabelled.any() else series


def _histograms(statistics: "PartitionStatistics", title: str) -> Figure:
    skew = statistics.label_skew
    figure = Figure(figsize=(6.4, 3.6), dpi=150, layout="constrained")
    panels = figure.subplots(1, 1 if skew is None else 2, squeeze=False)[0]
    _histogram(panels[0], to_array(statistics.sizes), "items of a client", PALETTE[0])
    if skew is not None:
        _histogram(panels[1], to_array(skew[~skew.isnan()]), "label skew of a client (0 to 1)", PALETTE[1])
    count = statistics.sizes.numel()
    figure.suptitle(f"{_headline(statistics, title)}\n{count} clients, too many to draw one by one", fontsize=10)
    return figure


def _histogram(axes: Axes, values: NDArray[np.float64], label: str, color: str) -> None:
    tidy(axes)
    axes.hist(values, bins=20, color=color, edgecolor="white", linewidth=0.5)
    axes.axvline(float(values.mean()), color="#444444", linestyle="--", linewidth=1.2)
    axes.annotate(
        f"mean {values.mean():.3g}", (float(values.mean()), 1), (4, -10), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=9,
    )  # fmt: skip
    axes.set(xlabel=label, ylabel="clients")


def _headline(statistics: "PartitionStatistics", title: str) -> str:
    parts = [title]
    if statistics.num_edges:
        parts.append(f"{100 * statistics.edges_cut:.1f} % of the edges cut")
    if statistics.mean_label_skew is not None:
        parts.append(f"label skew {statistics.mean_label_skew:.2f}")
    return ", ".join(parts)
