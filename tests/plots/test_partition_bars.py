import pytest
import torch
from matplotlib.figure import Figure

from graphml.data.samples import karate_club
from graphml.federated.partition import DirichletPartitioner, Items, Partition, RandomPartitioner
from graphml.plots import partition_bars
from graphml.plots.style import PALETTE

KARATE = karate_club()
ITEMS = Items(34, KARATE.y, KARATE.edge_index)
HALVES = Partition([torch.arange(20), torch.arange(20, 34)], 34, ITEMS.edge_index).statistics(ITEMS)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_bar_a_client_stacked_by_label_with_its_size_and_the_cut() -> None:
    figure = partition_bars(HALVES, ["Mr. Hi", "Officer"], "karate club")
    axes = figure.axes[0]
    widths = torch.tensor([bar.get_width() for bar in axes.patches]).view(2, 2)
    assert widths.t().tolist() == HALVES.label_counts.tolist()
    assert [bar.get_x() for bar in axes.patches][2:] == widths[0].tolist()
    assert [text.get_text() for text in axes.texts] == ["20", "14"]
    assert legend(figure) == ["Mr. Hi", "Officer"]
    cut, skew = 100 * HALVES.edges_cut, HALVES.mean_label_skew
    assert axes.get_title() == f"karate club, {cut:.1f} % of the edges cut, label skew {skew:.2f}"


def test_without_labels_there_is_one_colour_and_no_legend() -> None:
    figure = partition_bars(RandomPartitioner(3)(Items(30)).statistics(Items(30)))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [10, 10, 10]
    assert figure.legends == []
    assert figure.axes[0].get_title() == "partition"


def test_rare_labels_are_drawn_as_one_and_the_unlabelled_apart() -> None:
    labels = torch.cat([torch.arange(12).repeat_interleave(torch.arange(12, 0, -1)), torch.full((5,), -1)])
    items = Items(len(labels), labels)
    figure = partition_bars(DirichletPartitioner(2)(items).statistics(items))
    frequent = [f"label {number}" for number in range(len(PALETTE) - 1)]
    assert legend(figure) == [*frequent, "5 other labels", "unlabelled"]
    widths = torch.tensor([bar.get_width() for bar in figure.axes[0].patches]).view(-1, 2).sum(dim=1)
    assert widths[-2:].tolist() == [15, 5]  # 5 + 4 + 3 + 2 + 1 of the other labels
    assert widths.sum() == len(labels)


def test_many_clients_are_drawn_as_distributions_and_the_title_says_so() -> None:
    items = Items(500, torch.arange(500) % 5)
    figure = partition_bars(DirichletPartitioner(21)(items).statistics(items))
    assert "21 clients, too many to draw one by one" in figure.get_suptitle()
    assert [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes] == [21, 21]
    assert [axes.get_xlabel() for axes in figure.axes] == ["items of a client", "label skew of a client (0 to 1)"]
    assert len(partition_bars(RandomPartitioner(21)(Items(500)).statistics(Items(500))).axes) == 1


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="classes: expected a name for each of the 2 classes, got 1"):
        partition_bars(HALVES, ["all"])
