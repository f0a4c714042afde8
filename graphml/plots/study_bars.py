"""Figure: the variants of a study side by side."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from graphml.plots.style import PALETTE, tidy


def study_bars(
    summary: Mapping[str, Mapping[str, tuple[float, float]]], label: str = "test accuracy (%)", title: str = ""
) -> Figure:
    """Draw mean and standard deviation of each variant as a point with an error bar, one panel a split.

    Points, not bars from zero: variants differ by points of a percent, and the axis shows just their range.

    Args:
        summary: For each split, for each variant, mean and standard deviation (0 or NaN: no error bar is drawn).
        label: What the horizontal axis measures.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is nothing to draw.
    """
    if not summary or not all(summary.values()):
        raise ValueError("summary: expected at least one split, each with at least one variant, got none")
    names = list(dict.fromkeys(name for variants in summary.values() for name in variants))
    figure = Figure(figsize=(1.6 + 3.6 * len(summary), 1.3 + 0.32 * len(names)), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(summary), sharey=True, squeeze=False)[0]
    for axes, (split, variants) in zip(panels, summary.items(), strict=True):
        tidy(axes)
        for name, (mean, deviation) in variants.items():
            position = names.index(name)
            color = PALETTE[position % len(PALETTE)]
            axes.errorbar(mean, position, xerr=deviation, fmt="o", color=color, capsize=3, markersize=6)
        axes.set(xlabel=label, title=split)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    if title:
        figure.suptitle(title)
    return figure
