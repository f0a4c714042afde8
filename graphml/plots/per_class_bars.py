"""Figure: the score of each class, beside how many utterances it rests on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from graphml.plots.style import PALETTE, annotate_bars, new_figure, to_array


def per_class_bars(
    scores: Tensor | ArrayLike, support: Tensor | ArrayLike, classes: Sequence[str], label: str = "F1", title: str = ""
) -> Figure:
    """Draw a bar for each class, its support beside its name, and a line at the mean weighted by support.

    Args:
        scores: Score of each class in [0, 1], of shape [C].
        support: Utterances of each class, of shape [C].
        classes: Names of the C classes.
        label: What the scores are.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If the numbers of scores, supports and classes differ, or no class has support.
    """
    values, counts = to_array(scores), to_array(support)
    if values.shape != (len(classes),) or counts.shape != (len(classes),):
        got = f"{list(values.shape)} and {list(counts.shape)}"
        raise ValueError(f"scores and support: expected one for each of the {len(classes)} classes, got {got}")
    if not counts.sum() > 0:
        raise ValueError(f"support: expected utterances of at least one class, got {counts.tolist()}")
    figure, axes = new_figure(6.4, 1.3 + 0.42 * len(classes))
    rows = np.arange(len(classes))
    axes.barh(rows, values, height=0.64, color=PALETTE[0])
    mean = float(np.average(values, weights=counts))
    axes.axvline(mean, color=PALETTE[1], linestyle="--", linewidth=1.2, label=f"weighted mean {100 * mean:.1f}")
    annotate_bars(axes, values, [f"{100 * value:.1f}" for value in values])
    axes.set_yticks(rows, [f"{name} ({count:,.0f})" for name, count in zip(classes, counts, strict=True)])
    axes.set(xlim=(0, 1.08), xlabel=f"{label} (%)", ylim=(len(classes) - 0.4, -0.6), title=title)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{tick}" for tick in range(0, 101, 20)])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower right", frameon=False, fontsize=9)
    return figure
