"""Each dataset has a card, and the cards say what the library knows."""

import itertools
from pathlib import Path

import pytest

from graphml.data import load_node_dataset
from graphml.data.graph_datasets import GRAPH_DATASETS
from graphml.data.link_datasets import LINK_DATASETS
from graphml.data.node_datasets import DATASETS

CARDS = Path(__file__).resolve().parents[2] / "datasets"
HEADINGS = ["## Source", "## Licence", "## Access", "## Size", "## Labels", "## Citation"]
RECIPES = {"features"}  # how data are prepared: no dataset, and no card


@pytest.mark.parametrize(
    "name",
    sorted(
        {*map(str.lower, (*DATASETS, *GRAPH_DATASETS, *LINK_DATASETS)), *(card.stem for card in CARDS.glob("*.md"))}
        - RECIPES
    ),
)
def test_each_dataset_has_a_complete_card(name):
    lines = (CARDS / f"{name}.md").read_text().splitlines()
    assert f"Name: `{name}`" in [line.lower().replace("name:", "Name:") for line in lines]
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    for heading, following in itertools.pairwise(lines):
        assert not heading.startswith("## ") or following.strip(), f"{heading} is empty"


@pytest.mark.parametrize("name", ["digits", "karate", "csbm"])
def test_size_of_an_embedded_dataset_is_what_it_loads(name):
    data = load_node_dataset(name)
    figures = f"| {data.num_nodes:,} | {data.num_edges:,} | {data.num_features:,} | {int(data.y.max()) + 1} |"
    assert figures in (CARDS / f"{name}.md").read_text()


def test_nothing_here_is_code():
    assert not list(CARDS.rglob("*.py"))
