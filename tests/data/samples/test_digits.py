import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch_geometric.utils import to_dense_adj

from graphml.data.samples import digits


def test_features_and_labels_are_scikit_learns():
    data = digits()
    images, labels = load_digits(return_X_y=True)
    assert torch.equal(data.x, torch.from_numpy(images).float() / 16)
    assert torch.equal(data.y, torch.from_numpy(labels))
    assert data.x.shape == (1797, 64)
    assert data.y.unique().tolist() == list(range(10))
    assert data.x.min() == 0
    assert data.x.max() == 1


@pytest.mark.parametrize("k", [1, 8])
def test_each_image_is_joined_to_its_nearest_by_brute_force(k):
    data = digits(num_neighbors=k)
    adjacency = to_dense_adj(data.edge_index, max_num_nodes=1797)[0].bool()
    assert torch.equal(adjacency, adjacency.T)
    assert not adjacency.diagonal().any()
    distance = torch.cdist(data.x.double() * 16, data.x.double() * 16).fill_diagonal_(np.inf)
    kth = distance.sort(dim=1).values[:, k - 1 : k + 1]
    clear = kth[:, 1] > kth[:, 0] + 1e-6  # without a tie the k nearest are one set
    assert clear.float().mean() > 0.9
    nearest = distance <= kth[:, :1] + 1e-6
    assert (adjacency[clear] & nearest[clear]).sum() == k * clear.sum()
    chosen_by_either = nearest | nearest.T
    assert not (adjacency & ~chosen_by_either).any()


@pytest.mark.parametrize("k", [0, -1, 1797])
def test_wrong_number_of_neighbors(k):
    with pytest.raises(ValueError, match=rf"num_neighbors must be in \[1, 1796\], got {k}"):
        digits(num_neighbors=k)
