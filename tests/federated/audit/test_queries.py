"""Attacks by someone who queries the trained model, on a federation without a defence."""

import pytest

from graphml.federated.audit import LinkStealing, LossMembership, ShadowModels


@pytest.mark.parametrize(
    ("attack", "names"),
    [
        (LinkStealing(num_links=100), ["link_stealing_0", "link_stealing_2", "link_stealing_3", "link_stealing_6"]),
        (LossMembership(), ["membership_loss"]),
        (ShadowModels(num_shadows=1), ["membership_shadow"]),
    ],
)
def test_equal_audits_find_the_same(attack, names, exposure):
    found = attack(exposure)
    assert [leakage.attack for leakage in found] == names
    assert str(found) == str(attack(exposure))  # NaN equals itself as a text


def test_links_of_similar_nodes_are_stolen(exposure):
    found = {leakage.attack: leakage.metrics["auc"] for leakage in LinkStealing(num_links=300)(exposure)}
    assert found["link_stealing_0"] > 0.8
    assert found["link_stealing_3"] > 0.8


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="num_links: expected at least 4, got 2"):
        LinkStealing(num_links=2)
    with pytest.raises(ValueError, match=r"known_share: expected a share in \(0, 1\), got 1.0"):
        LinkStealing(known_share=1.0)
