"""Handwritten digits as a nearest-neighbour graph: the embedded default."""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from torch_geometric.data import Data


def digits(num_neighbors: int = 8) -> Data:
    """Load scikit-learn's digits and join each image to its nearest neighbours.

    An edge stands between two images if either is among the `num_neighbors` nearest of the other (Euclidean distance
    of the pixels, ties to the image that comes first), so the graph is symmetric. The pixels ship with scikit-learn:
    nothing is downloaded.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998 (its test part).

    Args:
        num_neighbors: Neighbours that each image chooses, in [1, 1796].

    Returns:
        `Data` with `x` [1797, 64] in [0, 1], `y` [1797] in {0, .., 9} and a symmetric `edge_index`.

    Raises:
        ValueError: If `num_neighbors` is out of range.
    """
    bunch = load_digits()
    num_nodes = len(bunch.target)
    if not 1 <= num_neighbors < num_nodes:
        raise ValueError(f"num_neighbors must be in [1, {num_nodes - 1}], got {num_neighbors}")
    # The pixels are integers, so many distances tie: computed exactly and sorted stably, the nearest neighbours are the
    # same on every machine (scikit-learn's depend on the number of threads).
    distances = cdist(bunch.data, bunch.data, "sqeuclidean")
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :num_neighbors]
    chosen = np.zeros((num_nodes, num_nodes), dtype=bool)
    np.put_along_axis(chosen, nearest, True, axis=1)
    return Data(
        x=torch.from_numpy((bunch.data / 16.0).astype(np.float32)),
        y=torch.from_numpy(bunch.target.astype(np.int64)),
        edge_index=torch.from_numpy(np.stack((chosen | chosen.T).nonzero())),
    )
