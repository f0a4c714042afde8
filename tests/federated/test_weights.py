"""Averages of weights against numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from graphml.federated.weights import belongs, difference, weighted_average, weights_of


def states() -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        {"w": torch.randn(3, 2, generator=generator), "count": torch.tensor(k), "half": torch.ones(2).half() * k}
        for k in range(3)
    ]


def test_floating_tensors_are_averaged_and_integers_are_those_of_the_first():
    found = weighted_average(states(), [1, 2, 5])
    expected = np.average([state["w"].numpy().astype(np.float64) for state in states()], axis=0, weights=[1, 2, 5])
    np.testing.assert_allclose(found["w"].numpy(), expected, rtol=1e-6)
    assert found["count"] == 0
    assert found["half"].dtype == torch.float16
    assert found["half"].tolist() == [1.5, 1.5]


def test_the_average_of_equal_states_is_that_state_bit_by_bit():
    state = states()[0]
    for shares in ([1], [3, 7], [1, 1, 1], [0.1, 0.2, 0.3, 0.1]):
        found = weighted_average([state] * len(shares), shares)
        assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("shares", [[], [1, 2], [0, 0, 0], [1, -1, 2]])
def test_shares_must_fit(shares):
    with pytest.raises(ValueError, match="shares: expected as many as states"):
        weighted_average(states(), shares)


def test_weights_are_copies_with_the_buffers():
    norm = nn.BatchNorm1d(2)
    found = weights_of(norm)
    norm.running_mean.add_(1)
    assert found["running_mean"].tolist() == [0, 0]
    assert set(found) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def test_the_difference_is_of_the_floating_tensors():
    start, end = states()[:2]
    change = difference(end, start)
    assert set(change) == {"w", "half"}
    torch.testing.assert_close(change["w"], end["w"] - start["w"])


def test_a_weight_belongs_to_its_module_and_to_itself_alone():
    assert belongs("encoder.lins.1.weight", "encoder.lins.1")
    assert belongs("encoder.lins.1.weight", "encoder.lins.1.weight")
    assert not belongs("encoder.lins.10.weight", "encoder.lins.1")
    assert not belongs("encoder", "encoder.lins")
