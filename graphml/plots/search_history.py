"""Figure: the trials of a search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from graphml.plots.style import PALETTE, new_figure

STYLES = {"complete": ("o", PALETTE[0]), "pruned": ("x", PALETTE[1]), "failed": ("v", PALETTE[7])}
"""Marker and colour of each state."""

OTHER = ("^", PALETTE[6])
"""Of any other, such as an interrupted trial."""


def search_history(
    trials: Sequence[tuple[float, float, str]],
    ylabel: str,
    xlabel: str = "rounds trained so far",
    minimise: bool = False,
) -> Figure:
    """Draw the value of each trial over what the search had cost by its end, and the best one so far.

    Args:
        trials: Cost, value (NaN for none) and state (``complete``, ``pruned``, ``failed``) of each trial, at least one.
        ylabel: What the values are.
        xlabel: What the costs add up to.
        minimise: Whether the lowest value is the best.

    Returns:
        The figure.

    Raises:
        ValueError: If there are no trials.
    """
    if not trials:
        raise ValueError("trials: expected at least one, got none")
    costs, values, states = zip(*trials, strict=True)
    x, y = np.cumsum(costs), np.asarray(values, dtype=np.float64)
    figure, axes = new_figure()
    for state in dict.fromkeys([*STYLES, *states]):
        chosen = np.array([name == state for name in states])
        if chosen.any():
            _draw_trials(axes, x[chosen], y[chosen], state)
    complete = np.array([name == "complete" for name in states])
    if complete.any():
        best = (np.minimum if minimise else np.maximum).accumulate(y[complete])
        until_now = np.append(x[complete], x[-1]), np.append(best, best[-1])
        axes.step(*until_now, where="post", color=PALETTE[2], linewidth=1.8, label="best so far")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False)
    return figure


def _draw_trials(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], state: str) -> None:
    marker, colour = STYLES.get(state, OTHER)
    style: dict[str, Any] = {"marker": marker, "color": colour, "linestyle": "none", "markersize": 6, "zorder": 3}
    known = np.isfinite(y)
    axes.plot(x[known], y[known], label=state, **style)
    lost = x[~known]
    if len(lost):  # at the lower edge, whatever the axis shows
        axes.plot(lost, np.zeros(len(lost)), transform=axes.get_xaxis_transform(), clip_on=False, **style)
