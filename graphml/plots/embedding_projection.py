"""Figure: embeddings in the plane, coloured by class."""

from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from graphml.plots.style import MARKERS, PALETTE, new_figure, to_array


def embedding_projection(
    z: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    method: Literal["tsne", "pca"] = "tsne",
    seed: int = 0,
    max_points: int = 2000,
) -> Figure:
    """Project L2-normalised embeddings to the plane.

    Args:
        z: Embeddings of shape [N, d], finite, with N >= 3.
        y: Classes of shape [N].
        method: ``tsne`` (van der Maaten and Hinton, 2008), which shows neighbourhoods, or ``pca``, which keeps
            distances.
        seed: Seed of the projection and of the choice of points.
        max_points: Most points to draw, chosen at random where there are more: t-SNE takes 10 s for 2,000 of them.

    Returns:
        The figure.

    Raises:
        ValueError: If the method is unknown, the shapes do not agree, or there are fewer than three points.
    """
    points, classes = to_array(z), to_array(y)
    if method not in ("tsne", "pca"):
        raise ValueError(f"method: expected 'tsne' or 'pca', got {method!r}")
    if points.ndim != 2 or classes.shape != (len(points),):
        raise ValueError(f"z and y: expected shapes [N, d] and [N], got {list(points.shape)} and {list(classes.shape)}")
    if len(points) < 3:
        raise ValueError(f"z: expected at least 3 embeddings, got {len(points)}")
    if len(points) > max_points:
        chosen = np.random.default_rng(seed).choice(len(points), max_points, replace=False)
        points, classes = points[chosen], classes[chosen]
    with threadpool_limits(1):  # on a busy machine, threads that wait for each other make it several times slower
        plane = _project(normalize(points), method, seed)
    return _draw(plane, classes, {"tsne": "t-SNE", "pca": "first two principal components"}[method])


def _draw(plane: NDArray[np.float64], classes: NDArray[np.float64], projection: str) -> Figure:
    figure, axes = new_figure(6.0, 5.0)
    for index, label in enumerate(np.unique(classes)):
        horizontal, vertical = plane[classes == label].T
        axes.scatter(
            horizontal,
            vertical,
            s=9,
            color=PALETTE[index % len(PALETTE)],
            marker=MARKERS[index // len(PALETTE) % len(MARKERS)],
            linewidth=0,
            alpha=0.8,
            label=f"{label:g}",
        )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(f"{projection} of {len(plane):,} nodes")
    axes.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, markerscale=2)
    return figure


def _project(points: NDArray[np.float64], method: str, seed: int) -> NDArray[np.float64]:
    width = 50 if method == "tsne" else 2  # t-SNE of the leading components is faster, and the usual practice
    leading: NDArray[np.float64] = PCA(min(width, *points.shape), random_state=seed).fit_transform(points)
    if method == "pca" or leading.shape[1] < 2:
        return np.pad(leading, ((0, 0), (0, 2 - leading.shape[1])))
    perplexity = min(30, (len(points) - 1) / 3)
    plane: NDArray[np.float64] = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(leading)
    return plane
