"""Figure: how much attention each relation of a conversation's graph gets."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graphml.plots.style import PALETTE, annotate_bars, new_figure, to_array


def relation_weights(
    weights: Tensor | ArrayLike, names: Sequence[str], classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Draw the mean attention of each relation: bars, or a row of shades for each class.

    Args:
        weights: Mean attention, at least 0, of shape [R], or [C, R] for each class.
        names: Names of the R relations.
        classes: Names of the C classes, with weights of shape [C, R].
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If the shape does not fit the names, or a weight is negative or not finite.
    """
    values = to_array(weights)
    expected = (len(names),) if classes is None else (len(classes), len(names))
    if values.shape != expected or values.size == 0:
        raise ValueError(f"weights: expected shape {list(expected)}, at least one relation, got {list(values.shape)}")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("weights: expected finite numbers of at least 0, got others")
    if classes is None:
        figure, axes = new_figure(6.4, 1.2 + 0.42 * len(names))
        _bars(axes, values, names)
    else:
        figure, axes = new_figure(2.4 + 0.85 * len(names), 1.6 + 0.42 * len(classes))
        _shades(axes, values, names, classes)
    axes.set_title(title)
    return figure


def _bars(axes: Axes, values: NDArray[np.float64], names: Sequence[str]) -> None:
    rows = np.arange(len(names))
    axes.barh(rows, values, height=0.64, color=PALETTE[2])
    axes.axvline(1 / len(names), color="#444444", linestyle=":", linewidth=1.2)
    annotate_bars(axes, values, [f"{value:.3f}" for value in values])
    axes.set_yticks(rows, names)
    axes.set(xlabel="mean attention (dotted: all alike)", ylim=(len(names) - 0.4, -0.6))
    axes.set_xlim(0, 1.15 * max(values.max(), 1 / len(names)))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _shades(axes: Axes, values: NDArray[np.float64], names: Sequence[str], classes: Sequence[str]) -> None:
    axes.imshow(values, cmap="Greens", vmin=0, vmax=1.3 * values.max() or 1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        color = "white" if values[row, column] > 0.75 * values.max() else "#222222"
        axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="mean attention of each relation")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
