"""The figures: what they hold, and what they refuse. How they look is for eyes."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from graphml.plots import embedding_projection, filter_responses, study_bars, training_curve

LAM = torch.linspace(0, 2, 50)
RESPONSES = torch.stack([1 / (1 + 3 * LAM), LAM.square() * torch.exp(-LAM)])


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


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
    assert png(figure)


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


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_embeddings_are_projected_reproducibly(method: str) -> None:
    y = torch.arange(40) % 12  # more classes than colours
    z = torch.eye(12, 6)[y] + 0.1 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    figure = embedding_projection(z, y, method, seed=1)  # type: ignore[arg-type]
    axes = figure.axes[0]
    assert sum(len(group.get_offsets()) for group in axes.collections) == 40
    styles = {(tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.shape) for group in axes.collections}
    assert len(styles) == 12
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [str(label) for label in range(12)]
    assert png(figure) == png(embedding_projection(z, y, method, seed=1))  # type: ignore[arg-type]


def test_projection_draws_no_global_random_number_and_limits_the_points() -> None:
    z = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # it is the global state that must not move
    figure = embedding_projection(z, torch.zeros(300), "pca", max_points=100)
    assert len(figure.axes[0].collections[0].get_offsets()) == 100
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_pca_keeps_the_distances_of_flat_data() -> None:
    angle = torch.linspace(0, 3, 20)
    z = torch.stack([angle.cos(), angle.sin(), torch.zeros(20)], dim=1)
    (group,) = embedding_projection(z, torch.zeros(20), "pca").axes[0].collections
    drawn = torch.tensor(group.get_offsets())
    torch.testing.assert_close(torch.cdist(drawn, drawn), torch.cdist(z.double(), z.double()))


def test_one_dimensional_embeddings_lie_on_a_line() -> None:
    (group,) = embedding_projection(torch.randn(9, 1), torch.zeros(9)).axes[0].collections
    assert np.ptp(group.get_offsets()[:, 1]) == 0


@pytest.mark.parametrize(
    ("z", "y", "method", "match"),
    [
        (torch.zeros(5, 2), torch.zeros(4), "tsne", r"z and y: .*\[5, 2\] and \[4\]"),
        (torch.zeros(5, 2), torch.zeros(5), "umap", "method: expected 'tsne' or 'pca', got 'umap'"),
        (torch.zeros(2, 2), torch.zeros(2), "pca", "z: expected at least 3 embeddings, got 2"),
    ],
)
def test_wrong_embeddings_are_named(z: torch.Tensor, y: torch.Tensor, method: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        embedding_projection(z, y, method)  # type: ignore[arg-type]


def test_training_curve_holds_the_losses() -> None:
    (line,) = training_curve([0, 1, 2], torch.tensor([3.0, 2.0, 1.5])).axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [3, 2, 1.5])
    with pytest.raises(ValueError, match=r"the same length >= 1, got \[0\] and \[0\]"):
        training_curve([], [])


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
    assert png(figure)
    with pytest.raises(ValueError, match="summary: expected at least one split"):
        study_bars({})


def test_figures_start_no_window_system() -> None:
    code = "import sys, graphml.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
