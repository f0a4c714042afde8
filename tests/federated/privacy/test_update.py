"""Answers as vectors."""

import numpy as np
import pytest
import torch

from graphml.federated import Message
from graphml.federated.privacy.update import flat_update, with_update

START = {"weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "count": torch.tensor(3), "bias": torch.tensor([0.5])}
ANSWER = Message(
    {
        "weight": START["weight"] + 1,
        "count": torch.tensor(5),
        "bias": torch.tensor([0.0]),
        "control/bias": torch.ones(1),
    },
    {"num_examples": 7.0},
    {"round": 1},
)


def test_weights_are_differences_and_the_rest_stands_for_itself():
    np.testing.assert_array_equal(flat_update(ANSWER, START), [-0.5, 1.0, 1, 1, 1, 1])  # bias, control/bias, weight
    assert flat_update(ANSWER, START).dtype == torch.float64


def test_an_update_goes_back_into_its_answer():
    same = with_update(ANSWER, START, flat_update(ANSWER, START))
    assert same.metrics == ANSWER.metrics
    assert same.config == ANSWER.config
    for name, value in ANSWER.arrays.items():
        assert torch.equal(same.arrays[name], value), name
    still = with_update(ANSWER, START, torch.zeros(6))
    assert torch.equal(still.arrays["weight"], START["weight"])
    assert still.arrays["control/bias"] == 0
    assert still.arrays["count"] == 5  # integers have no part in it


def test_an_answer_without_floating_arrays():
    answer = Message({"count": torch.tensor(1)})
    assert flat_update(answer, START).shape == (0,)
    assert torch.equal(with_update(answer, START, torch.zeros(0)).arrays["count"], torch.tensor(1))


def test_an_update_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"update: expected shape \[6\], got \[5\]"):
        with_update(ANSWER, START, torch.zeros(5))
