"""Figure: whether predictions of 80 % confidence are right 80 times of 100."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike
from scipy.stats import binned_statistic
from torch import Tensor

from graphml.plots.style import PALETTE, tidy, to_array


def reliability_diagram(
    confidence: Tensor | ArrayLike, correct: Tensor | ArrayLike, bins: int = 15, title: str = ""
) -> Figure:
    """Draw accuracy over confidence (Guo et al., ICML 2017), and below how many predictions each bin holds.

    Args:
        confidence: Probability of each predicted class in [0, 1], of shape [M], M >= 1.
        correct: Whether each prediction is right, of shape [M].
        bins: Number of bins of equal width, at least 1.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If the shapes differ, there is nothing to draw, or a confidence lies outside [0, 1].
    """
    x, right = to_array(confidence), to_array(correct)
    if x.ndim != 1 or x.shape != right.shape or len(x) == 0:
        got = f"{list(x.shape)} and {list(right.shape)}"
        raise ValueError(f"confidence and correct: expected one shape [M >= 1], got {got}")
    if not ((x >= 0) & (x <= 1)).all() or bins < 1:
        raise ValueError(f"confidence and bins: expected numbers in [0, 1] and at least 1, got others, {bins} bins")
    means, edges, _ = binned_statistic(x, [x, right], "mean", bins=bins, range=(0, 1))
    counts, _ = np.histogram(x, edges)
    held = counts > 0
    gap = float(np.average(np.abs(means[0] - means[1])[held], weights=counts[held]))
    figure = Figure(figsize=(5.0, 5.6), dpi=150, layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    for panel in (axes, below):
        tidy(panel)
    axes.plot([0, 1], [0, 1], color="#777777", linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.vlines(means[0][held], means[0][held], means[1][held], color=PALETTE[1], alpha=0.45, linewidth=4, label="gap")
    axes.plot(means[0][held], means[1][held], "o-", color=PALETTE[0], label="this model")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy", title=title)
    axes.legend(loc="upper left", frameon=False, fontsize=9, title=f"expected calibration error {100 * gap:.1f} %")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    below.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#9BB8CC", edgecolor="white")
    below.set(xlabel="confidence", ylabel="utterances")
    below.xaxis.set_major_formatter(PercentFormatter(1))
    return figure
