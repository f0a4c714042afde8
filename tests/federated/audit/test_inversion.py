"""Attacks by the server that reconstruct a client's graph."""

import pytest
import torch

from graphml.federated.audit import DeepLeakage, InvertingGradients
from graphml.federated.audit.inversion import mean_features


@pytest.mark.parametrize("attack", [DeepLeakage(num_nodes=3, steps=10), InvertingGradients(num_nodes=3, steps=10)])
def test_equal_audits_find_the_same(attack, exposure):
    found = attack(exposure)
    assert [leakage.attack for leakage in found] == [attack.name]
    assert str(found) == str(attack(exposure))  # NaN equals itself as a text


def test_three_nodes_are_reconstructed_better_than_guessed(exposure):
    (found,) = InvertingGradients(num_nodes=3, steps=150)(exposure)
    assert found.metrics["feature_recovery"] > 0.5


def test_the_guess_is_the_mean_of_the_other_nodes(exposure):
    x = exposure.graph.x
    torch.testing.assert_close(mean_features(exposure.graph, torch.arange(5)), x[5:].mean(0))


@pytest.mark.parametrize("kind", [DeepLeakage, InvertingGradients])
def test_wrong_options_are_refused(kind):
    with pytest.raises(ValueError, match="num_nodes, steps: expected at least 2 and 1, got 1 and 200"):
        kind(num_nodes=1)
    with pytest.raises(ValueError, match="num_nodes, steps: expected at least 2 and 1, got 8 and 0"):
        kind(steps=0)
