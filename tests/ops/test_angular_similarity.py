import math

import numpy as np
import pytest
import torch

from graphml.ops import symmetric_normalize
from graphml.ops.angular_similarity import angular_similarity
from graphml.ops.dialogue_edges import dialogue_edges
from graphml.ops.modality_edges import modality_edges

LENGTHS = [4, 1, 6]


def features(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(33, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def mmgcn_adjacency(x: np.ndarray) -> np.ndarray:
    """MMGCN's big adjacency by a double loop over nodes, as described: angles, then D^-1/2 A D^-1/2."""
    place = [(m, d, i) for m in range(3) for d, length in enumerate(LENGTHS) for i in range(length)]
    matrix = np.zeros((33, 33))
    for a, (m, d, i) in enumerate(place):
        for b, (n, e, j) in enumerate(place):
            if d == e and (m == n or i == j):
                cosine = x[a] @ x[b] / np.sqrt((x[a] @ x[a]) * (x[b] @ x[b]))
                matrix[a, b] = 1 - math.acos(0.99999 * cosine) / math.pi
    scale = matrix.sum(1) ** -0.5
    return scale[:, None] * matrix * scale


def test_weights_are_mmgcns():
    x, edges = features(), modality_edges(torch.tensor(LENGTHS))
    weight = symmetric_normalize(edges.edge_index, angular_similarity(x, edges), 33)
    dense = torch.zeros(33, 33, dtype=torch.float64).index_put_(tuple(edges.edge_index.flip(0)), weight)
    np.testing.assert_allclose(dense.numpy(), mmgcn_adjacency(x.numpy()), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_gradient_is_that_of_the_gathered_rows(dtype):
    x = features().requires_grad_()
    edges = modality_edges(torch.tensor(LENGTHS, dtype=dtype), loops=False)
    source, target = edges.edge_index.long()
    cosine = torch.cosine_similarity(x[source], x[target])
    expected = 1 - torch.acos(0.99999 * cosine) / math.pi
    ours = angular_similarity(x, edges)
    torch.testing.assert_close(ours, expected)
    direction = torch.randn(ours.numel(), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(ours @ direction, x)[0], torch.autograd.grad(expected @ direction, x)[0]
    )


def test_parallel_opposite_and_zero_rows():
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]], requires_grad=True)
    edges = dialogue_edges(torch.tensor([4]), torch.zeros(4, dtype=torch.long), -1, -1)
    weight = angular_similarity(x, edges)
    dense = weight.detach().view(4, 4)
    torch.testing.assert_close(dense[0], torch.tensor([0.99858, 0.99858, 0.00142, 0.5]), atol=1e-4, rtol=0)
    weight.sum().backward()
    assert bool(x.grad.isfinite().all())


def test_half_precision_is_computed_in_single():
    edges = modality_edges(torch.tensor(LENGTHS))
    half = angular_similarity(features(torch.bfloat16), edges)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), angular_similarity(features(), edges), atol=0.02, rtol=0)


def test_no_edges():
    edges = dialogue_edges(torch.tensor([0]), torch.zeros(0, dtype=torch.long))
    assert angular_similarity(torch.zeros(0, 3), edges).shape == (0,)


def test_wrong_shape_is_named():
    edges = modality_edges(torch.tensor(LENGTHS))
    with pytest.raises(ValueError, match=r"x: expected a matrix \[33, channels\], got shape \(32, 5\)"):
        angular_similarity(features()[1:], edges)
