"""Figure: the training loss over the epochs."""

from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from graphml.plots.style import PALETTE, new_figure, to_array


def training_curve(epochs: Tensor | ArrayLike, losses: Tensor | ArrayLike) -> Figure:
    """Draw the loss of each epoch.

    Args:
        epochs: Numbers of the epochs, of shape [T], T >= 1.
        losses: Mean training loss of each, of shape [T].

    Returns:
        The figure.

    Raises:
        ValueError: If the two are empty or of different lengths.
    """
    x, y = to_array(epochs), to_array(losses)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"epochs and losses: expected the same length >= 1, got {list(x.shape)} and {list(y.shape)}")
    figure, axes = new_figure()
    axes.plot(x, y, color=PALETTE[0], linewidth=1.8, marker="o" if len(x) < 20 else None, markersize=4)
    axes.set(xlabel="epoch", ylabel="training loss")
    return figure
