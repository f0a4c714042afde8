"""Attacks from a configuration."""

import pytest

from graphml.federated.audit import LinkStealing, LossMembership
from graphml.federated.audit.setup import make_attacks, resolve_attacks


def test_options_are_written_out_and_attacks_made_of_them():
    given = ["graphml.federated.audit.LossMembership", {"class_path": "LinkStealing", "init_args": {"num_links": 7}}]
    resolved = resolve_attacks(given)
    assert resolved[1] == {
        "class_path": "graphml.federated.audit.LinkStealing",
        "init_args": {"num_links": 7, "known_share": 0.5},
    }
    assert resolve_attacks(resolved) == resolved
    first, second = make_attacks(resolved)
    assert isinstance(first, LossMembership)
    assert isinstance(second, LinkStealing)
    assert second.num_links == 7
    assert make_attacks([]) == []


@pytest.mark.parametrize(
    ("attack", "match"),
    [
        ("graphml.federated.FedAvg", "FedAvg"),
        ({"class_path": "graphml.federated.audit.LinkStealing", "init_args": {"links": 3}}, "links"),
    ],
)
def test_what_is_no_attack_is_named(attack, match):
    with pytest.raises(ValueError, match=match):
        resolve_attacks([attack])
