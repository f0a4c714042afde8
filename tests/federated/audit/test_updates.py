"""Attacks by the server on what clients send."""

import pytest

from graphml.federated.audit import PropertyInference


def test_many_nodes_of_a_class_show_in_an_update(exposure):
    attack = PropertyInference(num_shadows=24, num_victims=16, num_nodes=20)
    (found,) = attack(exposure)
    assert found.attack == "property"
    assert found.metrics["auc"] > 0.7
    assert str(attack(exposure)) == str([found])


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="num_victims: expected at least 2, got 1"):
        PropertyInference(num_victims=1)
