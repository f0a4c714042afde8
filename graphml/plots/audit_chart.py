"""Figure: what each defence of a federation costs, and what leaks under it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from graphml.plots.style import PALETTE, annotate_bars, tidy


def audit_chart(
    accuracy: Mapping[str, float],
    leakage: Mapping[str, Mapping[str, float]],
    guess: Mapping[str, float],
    title: str = "",
) -> Figure:
    """Draw a row for each defence: its accuracy as a bar, and a field for each attack, the darker the more leaks.

    Args:
        accuracy: Accuracy by defence, in [0, 1].
        leakage: For each attack, its figure by defence, at most 1; a defence that it lacks or NaN leaves the field
            empty.
        guess: For each attack, what a guess gets: fields of this and less are white.
        title: Title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no defence or no attack.
    """
    if not accuracy or not leakage:
        raise ValueError(f"accuracy, leakage: expected at least one of each, got {len(accuracy)} and {len(leakage)}")
    names = list(accuracy)
    size = (4.6 + 0.85 * len(leakage), 2.2 + 0.36 * len(names))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 0.85 * len(leakage)])
    _bars(left, 100 * np.array([accuracy[name] for name in names]))
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    _fields(right, names, leakage, guess)
    if title:
        figure.suptitle(title)
    return figure


def _bars(axes: Axes, percent: NDArray[np.float64]) -> None:
    tidy(axes)
    axes.barh(np.arange(len(percent)), percent, height=0.65, color=PALETTE[0])
    annotate_bars(axes, percent, [f"{value:.1f}" for value in percent])
    axes.set(xlabel="test accuracy (%)", xlim=(0, 125))
    axes.grid(visible=False, axis="y")


def _fields(
    axes: Axes, names: Sequence[str], leakage: Mapping[str, Mapping[str, float]], guess: Mapping[str, float]
) -> None:
    values = np.array([[found.get(name, math.nan) for found in leakage.values()] for name in names])
    chance = np.array([guess[attack] for attack in leakage])
    axes.imshow((values - chance) / (1 - chance), cmap="Oranges", vmin=0, vmax=1.1, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        dark = value - chance[column] > 0.7 * (1 - chance[column])
        text = f"{value:.2f}" if value > -1 else "< -1"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "#222222")
    axes.set_xticks(range(len(leakage)), [name.replace(" ", "\n") for name in leakage], fontsize=7)
    axes.tick_params(length=0)
    axes.set_xlabel("what leaks (white: no more than a guess)")
    axes.spines[:].set_visible(False)
