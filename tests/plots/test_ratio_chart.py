import pytest

from graphml.plots import Ratio, ratio_chart


def test_a_row_a_job_a_point_a_candidate_and_a_bar_a_goal():
    figure = ratio_chart([Ratio("a", "peer", 1.0), Ratio("a", "ours", 12.0, 10.0), Ratio("b", "ours", 0.5)], "all")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xscale() == "log"
    points = {group.get_label(): group.get_offsets().tolist() for group in axes.collections}
    assert points == {"peer": [[1.0, 0.0]], "ours": [[12.0, 0.0], [0.5, 1.0]]}
    goals = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert goals == [10.0]


@pytest.mark.parametrize("ratios", [[], [Ratio("a", "b", 0.0)]])
def test_nothing_to_draw_is_refused(ratios):
    with pytest.raises(ValueError, match="ratios: expected at least one point and positive ratios"):
        ratio_chart(ratios)
