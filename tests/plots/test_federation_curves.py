"""The figure of a federation's rounds."""

import pytest
import torch

from graphml.plots import federation_curves


def test_it_draws_each_curve_and_marks_the_best_round():
    figure = federation_curves(
        [0, 5, 10], {"validation": [0.1, 0.5, 0.4], "test": torch.tensor([0.2, 0.4, 0.5])}, "accuracy", 5
    )
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines["validation"] == [[0, 0.1], [5, 0.5], [10, 0.4]]
    assert [y for _, y in lines["test"]] == pytest.approx([0.2, 0.4, 0.5])
    stars = [line.get_xydata().tolist()[0] for line in axes.get_lines() if line.get_marker() == "*"]
    assert stars == [pytest.approx([5, 0.5]), pytest.approx([5, 0.4])]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("round", "accuracy")


@pytest.mark.parametrize(
    ("rounds", "curves"), [([], {"a": []}), ([1], {}), ([1, 2], {"a": [0.5]})], ids=["empty", "none", "short"]
)
def test_lengths_must_agree(rounds, curves):
    with pytest.raises(ValueError, match="curves: expected at least one of shape"):
        federation_curves(rounds, curves, "accuracy")
