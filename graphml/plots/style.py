"""What all figures share: colours that colour-blind readers can tell apart, and quiet axes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#444444")
"""The palette of Okabe and Ito (2008), its yellow replaced by a brown that shows on white."""

MARKERS = ("o", "^", "s", "D", "v", "P")
"""Told apart by shape where there are more series than colours."""


def new_figure(width: float = 6.4, height: float = 4.0) -> tuple[Figure, Axes]:
    """Return an empty figure with one pair of axes; it belongs to no window and to no global state.

    Args:
        width: Width in inches.
        height: Height in inches.

    Returns:
        The figure and its axes.
    """
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    return figure, axes


def tidy(axes: Axes) -> None:
    """Take off the frame's upper and right side and draw a faint grid behind the data.

    Args:
        axes: Axes to change in place.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)


def annotate_bars(axes: Axes, values: NDArray[np.float64], texts: list[str]) -> None:
    """Write a text behind each of some horizontal bars, readable where a line crosses it.

    Args:
        axes: Axes to change in place, with a bar at each of the heights 0, 1, 2 ...
        values: Length of each bar.
        texts: What to write.
    """
    behind: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    for row, (value, text) in enumerate(zip(values.tolist(), texts, strict=True)):
        style: dict[str, Any] = {
            "textcoords": "offset points",
            "va": "center",
            "fontsize": 9,
            "color": "#222222",
            "bbox": behind,
        }
        axes.annotate(text, (value, row), (5, 0), **style)


def to_array(values: Any) -> NDArray[np.float64]:
    """Return a tensor on any device, an array or a sequence as an array of doubles.

    Args:
        values: What to convert.

    Returns:
        The array.
    """
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
