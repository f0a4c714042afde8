import math

import numpy as np
import pytest

from graphml.plots import search_history

TRIALS = [(9, 0.5, "complete"), (1, 0.2, "pruned"), (0, math.nan, "failed"), (9, 0.7, "complete"), (9, 0.6, "complete")]


def test_trials_lie_over_what_the_search_had_cost():
    axes = search_history(TRIALS, "val accuracy").axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["complete"].get_xydata(), [[9, 0.5], [19, 0.7], [28, 0.6]])
    np.testing.assert_allclose(lines["pruned"].get_xydata(), [[10, 0.2]])
    np.testing.assert_allclose(lines["best so far"].get_xydata(), [[9, 0.5], [19, 0.7], [28, 0.7], [28, 0.7]])
    edge = next(line for line in axes.get_lines() if line.get_transform() == axes.get_xaxis_transform())
    np.testing.assert_allclose(edge.get_xydata(), [[10, 0.0]])  # the failed one, which has no value
    assert axes.get_ylabel() == "val accuracy"


def test_the_lowest_is_the_best_where_that_is_asked():
    lines = search_history(TRIALS, "val loss", minimise=True).axes[0].get_lines()
    best = next(line for line in lines if line.get_label() == "best so far")
    np.testing.assert_allclose(best.get_ydata(), [0.5, 0.5, 0.5, 0.5])


def test_states_of_other_names_are_drawn_too():
    axes = search_history([(3, 0.4, "interrupted")], "val accuracy").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["interrupted"]


def test_nothing_cannot_be_drawn():
    with pytest.raises(ValueError, match="trials: expected at least one, got none"):
        search_history([], "val accuracy")
