"""The chart of an audit."""

import math

import pytest

from graphml.plots import audit_chart


def test_a_row_for_each_defence_and_a_field_for_each_attack():
    figure = audit_chart(
        {"none": 0.9, "noise": 0.6},
        {"links auc": {"none": 0.95, "noise": math.nan}, "recovery": {"none": 0.4, "noise": -3.0}},
        {"links auc": 0.5, "recovery": 0.0},
        "x",
    )
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["none", "noise"]
    assert [text.get_text() for text in right.texts] == ["0.95", "0.40", "< -1"]
    shades = right.images[0].get_array()
    assert shades[0, 0] == pytest.approx(0.9)  # of the way from a guess to certainty
    assert shades[0, 1] == pytest.approx(0.4)


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="accuracy, leakage: expected at least one of each, got 0 and 0"):
        audit_chart({}, {}, {})
