import pytest

from graphml.plots import per_class_bars


def test_a_bar_a_class_with_its_support_and_the_weighted_mean() -> None:
    axes = per_class_bars([0.5, 0.8], [300, 100], ["happy", "sad"], label="recall").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.8]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["happy (300)", "sad (100)"]
    assert axes.get_lines()[0].get_xdata()[0] == pytest.approx(0.575)
    assert axes.get_xlabel() == "recall (%)"


@pytest.mark.parametrize(
    ("scores", "support", "match"),
    [
        ([0.5], [3, 1], r"one for each of the 2 classes, got \[1\] and \[2\]"),
        ([0.5, 0.5], [0, 0], "support: expected utterances of at least one class"),
    ],
)
def test_wrong_input_is_named(scores: list[float], support: list[int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        per_class_bars(scores, support, ["happy", "sad"])
