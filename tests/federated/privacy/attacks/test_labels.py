import numpy as np
import pytest
import torch
import torch.nn.functional as F

from graphml.federated.privacy.attacks import infer_label, infer_labels


def bias_gradient(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    bias = torch.zeros(logits.size(1), requires_grad=True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits + bias, y), bias)
    return gradient


@pytest.mark.parametrize("label", range(4))
def test_the_label_of_one_example_is_certain(label):
    logits = torch.randn(1, 4, generator=torch.Generator().manual_seed(label)) * 5
    assert infer_label(bias_gradient(logits, torch.tensor([label]))) == label


def test_with_the_right_posteriors_the_counts_are_right():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(30, 5, generator=generator)
    y = torch.randint(5, (30,), generator=generator)
    found = infer_labels(bias_gradient(logits, y), logits.softmax(1).mean(0), 30)
    assert torch.equal(found, y.sort().values)


def test_with_a_guess_there_are_as_many_labels_as_examples():
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(5, (7,), generator=generator)
    gradient = bias_gradient(torch.randn(7, 5, generator=generator), y)
    found = infer_labels(gradient, torch.full((5,), 0.2), 7)
    assert len(found) == 7
    assert np.abs(np.bincount(found, minlength=5) - np.bincount(y, minlength=5)).sum() <= 4


def test_no_example_is_an_error():
    with pytest.raises(ValueError, match="num_examples: expected at least 1, got 0"):
        infer_labels(torch.zeros(2), torch.zeros(2), 0)
