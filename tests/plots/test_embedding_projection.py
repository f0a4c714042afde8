import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from graphml.plots import embedding_projection


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


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
