from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from graphml.evaluation import LinearProbe


def blobs(num_nodes: int = 150, noise: float = 1.0, seed: int = 0) -> SimpleNamespace:
    """Three noisy classes on the sphere; the first third trains, the second validates, the last tests."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(num_nodes) % 3
    z = torch.eye(3, 8)[y] * 2 + noise * torch.randn(num_nodes, 8, generator=generator)
    third = torch.arange(num_nodes) * 3 // num_nodes
    return SimpleNamespace(z=z, y=y, train=third == 0, val=third == 1, test=third == 2)


def arguments(data: SimpleNamespace) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in vars(data).items()}


def test_agrees_with_hand_written_one_vs_rest() -> None:
    data = blobs()
    z = (data.z / data.z.norm(dim=1, keepdim=True)).double().numpy()
    y = data.y.numpy()
    accuracies = {}
    for c in (0.25, 4.0):
        scores = [
            LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10)
            .fit(z[data.train], y[data.train] == k)
            .decision_function(z)
            for k in range(3)
        ]
        correct = np.argmax(scores, axis=0) == y
        accuracies[c] = (correct[data.val].mean(), correct[data.test].mean())
    expected = max(accuracies.values(), key=lambda pair: pair[0])

    result = LinearProbe(c_grid=[4.0, 0.25]).evaluate(**vars(data))

    assert (result.val_accuracy, result.test_accuracy) == pytest.approx(expected)
    assert accuracies[result.c][0] == expected[0]


def test_separable_classes_are_read_perfectly_and_noise_is_not() -> None:
    assert LinearProbe().evaluate(**vars(blobs(noise=0.01))).test_accuracy == 1.0
    noise = blobs()
    noise.z = torch.randn(noise.z.shape, generator=torch.Generator().manual_seed(1))
    assert LinearProbe().evaluate(**vars(noise)).test_accuracy < 0.6


def test_test_labels_cannot_influence_the_choice() -> None:
    data = blobs()
    shuffled = arguments(data)
    test_rows = data.test.nonzero().squeeze()
    shuffled["y"][test_rows] = data.y[test_rows[torch.randperm(50, generator=torch.Generator().manual_seed(2))]]

    honest, permuted = LinearProbe().evaluate(**vars(data)), LinearProbe().evaluate(**shuffled)

    assert (honest.c, honest.val_accuracy) == (permuted.c, permuted.val_accuracy)
    assert honest.test_accuracy != permuted.test_accuracy


def test_test_embeddings_and_validation_nodes_do_not_enter_the_fit() -> None:
    data = blobs()
    moved = arguments(data)
    moved["z"][data.test] = 0.0
    moved["z"][data.test, 0] = 1.0  # every test node at one point: a fit that saw them would change
    one_c = LinearProbe(c_grid=[1.0])
    assert one_c.evaluate(**moved).val_accuracy == one_c.evaluate(**vars(data)).val_accuracy

    relabelled = arguments(data)
    relabelled["y"][data.val] = (data.y[data.val] + 1) % 3
    assert one_c.evaluate(**relabelled).test_accuracy == one_c.evaluate(**vars(data)).test_accuracy


def test_scale_of_the_rows_does_not_matter_and_a_zero_row_is_harmless() -> None:
    data = blobs()
    scaled = arguments(data)
    scaled["z"] *= torch.linspace(0.1, 10, 150)[:, None]
    assert LinearProbe().evaluate(**scaled) == LinearProbe().evaluate(**vars(data))
    scaled["z"][0] = 0.0
    LinearProbe().evaluate(**scaled)


def test_same_input_same_result_and_ties_take_the_strongest_regularisation() -> None:
    data = blobs(noise=0.01)
    assert LinearProbe().evaluate(**vars(data)) == LinearProbe().evaluate(**vars(data))
    assert LinearProbe(c_grid=[8.0, 2.0, 4.0]).evaluate(**vars(data)).c == 2.0


def test_default_grid_is_every_power_of_two() -> None:
    grid = LinearProbe().c_grid
    assert grid[0] == 2**-10
    assert grid[-1] == 2**10
    assert len(grid) == 21
    assert "0.000976562..1024" in repr(LinearProbe())


@pytest.mark.parametrize(
    ("name", "value", "error", "match"),
    [
        ("z", torch.full((150, 8), torch.nan), ValueError, "z: .*NaN or infinity in 150 of 150 rows"),
        ("z", torch.zeros(150), ValueError, r"z: expected embeddings of shape \[N, d\], got \[150\]"),
        ("y", torch.zeros(149, dtype=torch.long), ValueError, r"y: .*\[150\], got \[149\]"),
        ("y", torch.zeros(150), ValueError, "y: expected integer labels"),
        ("val", torch.zeros(150, dtype=torch.bool), ValueError, "val: .*empty mask"),
        ("test", torch.ones(150, dtype=torch.bool), ValueError, "train and test: .*50 common nodes"),
        ("train", torch.ones(150), TypeError, "train: expected a boolean mask, got torch.float32"),
        ("train", torch.ones(3, dtype=torch.bool), ValueError, r"train: expected a mask of shape \[150\], got \[3\]"),
    ],
)
def test_wrong_input_is_named(name: str, value: Tensor, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        LinearProbe().evaluate(**(arguments(blobs()) | {name: value}))


def test_class_without_training_nodes_is_named() -> None:
    data = blobs()
    data.train &= data.y != 1
    with pytest.raises(ValueError, match=r"train: expected nodes of every class, got none of \[1\]"):
        LinearProbe().evaluate(**vars(data))


@pytest.mark.parametrize("grid", [[], [1.0, 0.0], [-1.0]])
def test_wrong_grid_is_named(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="c_grid: "):
        LinearProbe(c_grid=grid)


def test_wrong_max_iter_is_named() -> None:
    with pytest.raises(ValueError, match="max_iter: "):
        LinearProbe(max_iter=0)
