"""Figure: which emotions are taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from graphml.plots.style import new_figure, to_array


def confusion_matrix(confusion: Tensor | ArrayLike, classes: Sequence[str], title: str = "") -> Figure:
    """Draw the share of each label's utterances by prediction as shades, and the counts in the cells.

    Args:
        confusion: Utterances of each label (row) by prediction (column), of shape [C, C].
        classes: Names of the C classes.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If the matrix is not square, holds negative numbers, or has another size than the classes.
    """
    counts = to_array(confusion)
    if counts.shape != (len(classes), len(classes)) or not (counts >= 0).all():
        expected = f"[{len(classes)}, {len(classes)}] counts of at least 0"
        raise ValueError(f"confusion: expected {expected}, got {list(counts.shape)}")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.9 + 0.62 * len(classes)
    figure, axes = new_figure(side + 0.7, side)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        share, count = shares[row, column], counts[row, column]
        color = "white" if share > 0.55 else "#222222" if count else "#AAAAAA"
        axes.text(column, row, f"{count:,.0f}", ha="center", va="center", color=color, fontsize=9)
    named = [f"{name} ({support:,.0f})" for name, support in zip(classes, counts.sum(axis=1), strict=True)]
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), named)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="label (utterances)", title=title)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, format=lambda share, _: f"{100 * share:.0f} %")
    bar.outline.set_visible(False)
    bar.set_label("share of the label's utterances")
    return figure
