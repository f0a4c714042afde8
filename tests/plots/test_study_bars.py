import pytest

from graphml.plots import study_bars


def test_study_has_a_panel_a_split_and_a_point_a_variant() -> None:
    summary = {
        "public": {"wavelet": (82.0, 0.5), "gcn": (80.0, float("nan"))},
        "random 20/20/60": {"gcn": (81.0, 0.1), "raw": (70.0, 0.0)},
    }
    figure = study_bars(summary, title="aswt/cora")
    public, random = figure.axes
    assert (public.get_title(), random.get_title()) == ("public", "random 20/20/60")
    assert [text.get_text() for text in public.get_yticklabels()] == ["wavelet", "gcn", "raw"]
    points = [(container[0].get_xdata()[0], container[0].get_ydata()[0]) for container in random.containers]
    assert points == [(81.0, 1), (70.0, 2)]
    with pytest.raises(ValueError, match="summary: expected at least one split"):
        study_bars({})
