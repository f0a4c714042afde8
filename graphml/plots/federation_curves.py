"""Figure: a federation round by round."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from graphml.plots.style import PALETTE, new_figure, to_array


def federation_curves(
    rounds: Tensor | ArrayLike, curves: Mapping[str, Tensor | ArrayLike], ylabel: str, best: int | None = None
) -> Figure:
    """Draw metrics over the rounds.

    Args:
        rounds: Numbers of the evaluated rounds, of shape [T], T >= 1.
        curves: For each name the values, of shape [T]; at least one.
        ylabel: What the values are.
        best: Round to mark; None for none.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no curve, or one has another length than the rounds.
    """
    x, lines = to_array(rounds), {name: to_array(values) for name, values in curves.items()}
    if not lines or x.ndim != 1 or len(x) == 0 or any(y.shape != x.shape for y in lines.values()):
        got = {name: list(y.shape) for name, y in lines.items()}
        raise ValueError(f"curves: expected at least one of shape {list(x.shape)}, not empty, got {got}")
    figure, axes = new_figure()
    for place, (name, y) in enumerate(lines.items()):
        colour = PALETTE[place % len(PALETTE)]
        axes.plot(x, y, color=colour, linewidth=1.8, marker="o" if len(x) < 20 else None, markersize=4, label=name)
        if best is not None and best in x:
            axes.plot(best, y[int(np.flatnonzero(x == best)[0])], marker="*", markersize=12, color=colour)
    if best is not None:
        axes.axvline(best, color="#AAAAAA", linewidth=1, linestyle="--", zorder=0)
    axes.set(xlabel="round", ylabel=ylabel)
    axes.legend(frameon=False)
    return figure
