"""Figure: spectral filters over the spectral density of the graph that they act on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graphml.plots.style import PALETTE, new_figure, to_array


def filter_responses(
    lam: Tensor | ArrayLike,
    responses: Tensor | ArrayLike,
    density: Tensor | ArrayLike | None = None,
    names: Sequence[str] | None = None,
    fitted: Tensor | ArrayLike | None = None,
) -> Figure:
    """Draw each filter as a curve, and the density of the eigenvalues as the area behind them.

    Args:
        lam: Ascending eigenvalues of shape [S], in [0, 2].
        responses: Value of each filter at each eigenvalue, of shape [F, S].
        density: Density of the eigenvalues per unit, of shape [S]; drawn on an axis of its own.
        names: F names for the legend.
        fitted: Value of the polynomial that stands for each filter, of shape [F, S]; drawn dotted, in black.

    Returns:
        The figure.

    Raises:
        ValueError: If the shapes or the number of names do not agree.
    """
    x, curves = to_array(lam), to_array(responses)
    if x.ndim != 1 or curves.ndim != 2 or curves.shape[1] != len(x):
        raise ValueError(f"responses: expected shape [F, {len(x)}] (one column for each lam), got {list(curves.shape)}")
    labels = [f"filter {index}" for index in range(len(curves))] if names is None else list(names)
    if len(labels) != len(curves):
        raise ValueError(f"names: expected {len(curves)} names, got {len(labels)}")
    figure, axes = new_figure()
    for index, (curve, label) in enumerate(zip(curves, labels, strict=True)):
        axes.plot(x, curve, color=PALETTE[index % len(PALETTE)], linewidth=2, label=label)
    if fitted is not None:
        polynomials = to_array(fitted)
        if polynomials.shape != curves.shape:
            raise ValueError(f"fitted: expected shape {list(curves.shape)}, got {list(polynomials.shape)}")
        for index, curve in enumerate(polynomials):
            axes.plot(x, curve, ":", color="#222222", linewidth=1.4, label="" if index else "polynomial fit")
    if density is not None:
        area = to_array(density)
        if area.shape != x.shape:
            raise ValueError(f"density: expected shape {list(x.shape)}, got {list(area.shape)}")
        _fill_density(figure, x, area)
    axes.set(xlim=(0, 2), xlabel=r"eigenvalue $\lambda$ of the normalised Laplacian", ylabel="filter response")
    axes.legend(loc="best", frameon=False, fontsize=8)
    return figure


def _fill_density(figure: Figure, x: NDArray[np.float64], density: NDArray[np.float64]) -> None:
    axes = figure.axes[0]
    behind = axes.twinx()
    behind.fill_between(x, 0, density, color="#BBBBBB", alpha=0.45, linewidth=0)
    # A multiple eigenvalue at 0 or 2 is a narrow spike, which would leave nothing of the rest to see: it is cut off.
    inside = density[(x > 0.05) & (x < 1.95)]
    top = 2 * inside.max() if inside.any() else None
    behind.set(ylabel="eigenvalue density", ylim=(0, top))
    behind.spines[["top"]].set_visible(False)
    behind.yaxis.label.set_color("#777777")
    behind.tick_params(colors="#777777")
    # The curves stay in front of the area, and its axes hide nothing.
    axes.set_zorder(behind.get_zorder() + 1)
    axes.patch.set_visible(False)
