"""The attacks of an audit on a federation without a defence."""

import pytest

from graphml.federated.audit import (
    DeepLeakage,
    InvertingGradients,
    LinkStealing,
    LossMembership,
    PropertyInference,
    ShadowModels,
)

SMALL = [
    (LinkStealing(num_links=100), ["link_stealing_0", "link_stealing_2", "link_stealing_3", "link_stealing_6"]),
    (LossMembership(), ["membership_loss"]),
    (ShadowModels(num_shadows=1), ["membership_shadow"]),
    (PropertyInference(num_shadows=12, num_victims=8, num_nodes=20), ["property"]),
    (DeepLeakage(num_nodes=3, steps=10), ["deep_leakage"]),
    (InvertingGradients(num_nodes=3, steps=10), ["inverting_gradients"]),
]


@pytest.mark.parametrize(("attack", "names"), SMALL)
def test_equal_audits_find_the_same(attack, names, exposure):
    found = attack(exposure)
    assert [leakage.attack for leakage in found] == names
    assert str(found) == str(attack(exposure))  # NaN equals itself as a text


def test_links_of_similar_nodes_are_stolen(exposure):
    found = {leakage.attack: leakage.metrics["auc"] for leakage in LinkStealing(num_links=300)(exposure)}
    assert found["link_stealing_0"] > 0.8
    assert found["link_stealing_3"] > 0.8


def test_a_lone_pair_of_nodes_is_reconstructed_better_than_guessed(exposure):
    (found,) = DeepLeakage(num_nodes=2, steps=100)(exposure)
    assert found.metrics["feature_recovery"] > 0.2


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (LinkStealing, {"num_links": 2}, "num_links: expected at least 4, got 2"),
        (LinkStealing, {"known_share": 1.0}, r"known_share: expected a share in \(0, 1\), got 1.0"),
        (PropertyInference, {"num_victims": 1}, "num_victims: expected at least 2, got 1"),
        (DeepLeakage, {"num_nodes": 1}, "num_nodes, steps: expected at least 2 and 1, got 1 and 200"),
        (InvertingGradients, {"steps": 0}, "num_nodes, steps: expected at least 2 and 1, got 8 and 0"),
    ],
)
def test_wrong_options_are_refused(kind, options, match):
    with pytest.raises(ValueError, match=match):
        kind(**options)
