"""Tables and chart of an audit."""

import math

from graphml.audit.report import audit_tables, chart_of
from graphml.study.results import Summary


def row(variant, split, metric, mean, std=math.nan, n=1):
    return Summary("audit/x", variant, split, metric, n, mean, std)


ROWS = [
    row("none", "fs-g", "test_accuracy", 0.8712, 0.01, 3),
    row("none", "fs-g", "mebibytes_up", 12.3456),
    row("none", "link_stealing_0", "auc", 0.9),
    row("none", "deep_leakage", "feature_recovery", 0.4),
    row("none", "deep_leakage", "distance", 0.001),
    row("noise", "fs-g", "test_accuracy", 0.5),
    row("noise", "fs-g", "epsilon_client", 7.25),
    row("noise", "link_stealing_0", "auc", 0.61),
    row("flips", "fs-g", "test_accuracy", 0.2),
]


def test_two_axes_are_two_tables():
    first, second = audit_tables(ROWS).split("Robustness")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in first.splitlines() if "|" in line]
    assert [cell.strip() for cell in lines[0]] == [
        "defence", "test_accuracy (%)", "epsilon_client", "mebibytes_up", "link stealing 0 auc",
        "deep leakage feature recovery",
    ]  # fmt: skip
    assert lines[2] == ["none", "87.12 ± 1.00", "-", "12.3", "0.9", "0.4"]
    assert lines[3] == ["noise", "50.00", "7.25", "-", "0.61", "-"]
    assert "flips" in second
    assert "auc" not in second


def test_without_attacks_there_is_no_chart():
    assert chart_of(ROWS, "x") is not None
    assert chart_of(ROWS[-1:], "x") is None
    assert "Confidentiality" not in audit_tables(ROWS[-1:])
