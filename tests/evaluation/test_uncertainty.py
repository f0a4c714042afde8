import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from graphml.evaluation import decompose


def random_probabilities(samples: int = 7, utterances: int = 50, classes: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, utterances, classes, generator=generator).mul(3).softmax(-1)


def test_agrees_with_the_entropies_of_scipy() -> None:
    p = random_probabilities()
    array = p.double().numpy()
    total, aleatoric = entropy(array.mean(0), axis=-1), entropy(array, axis=-1).mean(0)
    for got, expected in zip(decompose(p), (total, aleatoric, total - aleatoric), strict=True):
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)
        assert got.shape == (50,)


def test_epistemic_is_the_mean_divergence_of_the_models_from_their_mean() -> None:
    array = random_probabilities().double().numpy()
    divergence = entropy(array, array.mean(0, keepdims=True), axis=-1).mean(0)
    np.testing.assert_allclose(decompose(torch.from_numpy(array)).epistemic.numpy(), divergence, atol=1e-9)


def test_certain_models_that_agree_or_disagree_and_the_uniform_distribution() -> None:
    certain, other, uniform = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1 / 3] * 3
    p = torch.tensor([[certain, certain, uniform], [certain, other, uniform]], dtype=torch.float64)
    total, aleatoric, epistemic = decompose(p)
    assert total.tolist() == pytest.approx([0, math.log(2), math.log(3)])
    assert aleatoric.tolist() == pytest.approx([0, 0, math.log(3)])
    assert epistemic.tolist() == pytest.approx([0, math.log(2), 0])


def test_one_prediction_has_no_epistemic_uncertainty_and_none_is_negative() -> None:
    assert decompose(random_probabilities(samples=1)).epistemic.tolist() == [0.0] * 50
    assert bool((decompose(random_probabilities()[:1].repeat(9, 1, 1)).epistemic >= 0).all())
    assert decompose(torch.zeros(2, 0, 3)).total.shape == (0,)


@pytest.mark.parametrize(
    ("p", "match"),
    [
        (torch.full((2, 3), 1 / 3), r"expected shape \[S >= 1, N, C >= 1\], got \[2, 3\]"),
        (torch.zeros(0, 2, 3), r"got \[0, 2, 3\]"),
        (torch.zeros(1, 2, 0), r"got \[1, 2, 0\]"),
        (torch.full((1, 2, 3), 0.5), "others in 2 of 2 rows, the first .*apply a softmax"),
        (torch.tensor([[[1.5, -0.5]]]), "others in 1 of 1 rows"),
        (torch.full((1, 1, 2), torch.nan), "others in 1 of 1 rows"),
    ],
)
def test_wrong_input_is_named(p: Tensor, match: str) -> None:
    with pytest.raises(ValueError, match=f"probabilities: .*{match}"):
        decompose(p)
