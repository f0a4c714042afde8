import numpy as np
import pytest
import torch

from graphml.plots import filter_responses

LAM = torch.linspace(0, 2, 50)
RESPONSES = torch.stack([1 / (1 + 3 * LAM), LAM.square() * torch.exp(-LAM)])


def test_filters_are_drawn_over_the_density() -> None:
    density = torch.exp(-(LAM - 1).square())
    density[0] = 1e6  # a multiple eigenvalue at 0 must not flatten the rest
    figure = filter_responses(LAM, RESPONSES.requires_grad_(), density, ["low", "band"], RESPONSES + 0.01)
    front, behind = figure.axes
    low, band, *_ = front.get_lines()
    np.testing.assert_allclose(low.get_ydata(), RESPONSES[0].detach())
    np.testing.assert_allclose(band.get_xdata(), LAM)
    assert [text.get_text() for text in front.get_legend().get_texts()] == ["low", "band", "polynomial fit"]
    assert behind.get_ylim()[1] == pytest.approx(2.0, abs=0.01)
    assert front.get_zorder() > behind.get_zorder()
    assert front.get_xlabel()
    assert front.get_ylabel()


def test_filters_need_neither_density_nor_names() -> None:
    figure = filter_responses(LAM.numpy(), RESPONSES.detach().numpy())
    assert len(figure.axes) == 1
    assert len(figure.axes[0].get_lines()) == 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"responses": RESPONSES[:, :9]}, r"responses: expected shape \[F, 50\].*\[2, 9\]"),
        ({"responses": RESPONSES[0]}, "responses: "),
        ({"responses": RESPONSES, "names": ["one"]}, "names: expected 2 names, got 1"),
        ({"responses": RESPONSES, "fitted": RESPONSES[:1]}, "fitted: "),
        ({"responses": RESPONSES, "density": LAM[:9]}, r"density: expected shape \[50\], got \[9\]"),
    ],
)
def test_filters_of_wrong_shape_are_named(arguments: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        filter_responses(LAM, **arguments)  # type: ignore[arg-type]
