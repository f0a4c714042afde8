"""Clipping of updates."""

import math

import pytest
import torch

from graphml.federated import FedAvg, Message, Sealing, Uplink
from graphml.federated.privacy.clipping import LayerClipping, UpdateClipping, clipped
from graphml.federated.privacy.update import flat_update

START = {"a": torch.ones(3), "b": torch.zeros(4, 2)}
ANSWER = Message({"a": START["a"] + 3, "b": START["b"] + 0.01}, {"num_examples": 2.0})
SEALING = Sealing(None, Message(), START, torch.Generator())


def test_a_vector_is_shortened_and_keeps_its_direction():
    vector = torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(clipped(vector, 1.0), vector / 5, rtol=1e-15, atol=0)
    assert clipped(vector, 5.0) is vector
    assert clipped(torch.zeros(2), 1.0).norm() == 0


def test_the_whole_update_is_clipped():
    sealed = UpdateClipping(2.0).seal(ANSWER, SEALING)
    before, after = flat_update(ANSWER, START), flat_update(sealed, START)
    assert float(after.norm()) == pytest.approx(2.0, rel=1e-6)
    torch.testing.assert_close(after, before * (2 / before.norm()), rtol=1e-5, atol=1e-7)
    assert sealed.metrics == ANSWER.metrics


def test_each_layer_is_clipped_to_its_share():
    after = LayerClipping(2.0).seal(ANSWER, SEALING).arrays
    assert float((after["a"] - 1).norm()) == pytest.approx(2 / math.sqrt(2), rel=1e-6)
    assert torch.equal(after["b"], ANSWER.arrays["b"])  # short enough
    assert LayerClipping(2.0).seal(Message(), SEALING).arrays == {}


@pytest.mark.parametrize("stage", [UpdateClipping, LayerClipping])
def test_a_large_bound_changes_nothing(stage, run_clients):
    plain, through = run_clients(FedAvg()), run_clients(Uplink(FedAvg(), [stage(1e6)]))
    for name, value in plain.last_state.items():
        torch.testing.assert_close(through.last_state[name], value, rtol=0, atol=1e-7)


def test_no_client_moves_farther_than_the_bound(run_clients, task):
    start = {name: value.clone() for name, value in task.state_dict().items()}
    result = run_clients(Uplink(FedAvg(), [UpdateClipping(0.01)]), rounds=1)
    assert float(flat_update(Message(result.last_state), start).norm()) <= 0.01 * (1 + 1e-4)


def test_what_is_not_finite_is_refused():
    with pytest.raises(FloatingPointError, match="expected finite numbers to clip, got a norm of nan"):
        clipped(torch.tensor([1.0, math.nan]), 1.0)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan])
def test_wrong_bounds(bound):
    with pytest.raises(ValueError, match="max_norm: expected a finite norm above 0"):
        UpdateClipping(bound)
