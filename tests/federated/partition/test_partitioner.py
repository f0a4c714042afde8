"""What holds for every partitioner."""

import os
import random
import subprocess
import sys
from importlib.util import find_spec

import networkx as nx
import numpy as np
import pytest
import torch

from graphml.federated.partition import (
    BalancedDirichletPartitioner,
    DirichletPartitioner,
    GroupPartitioner,
    Items,
    LouvainPartitioner,
    MetisPartitioner,
    Partition,
    Partitioner,
    RandomPartitioner,
)

GRAPH = nx.gnm_random_graph(300, 600, seed=0).to_directed()  # has no clear communities: those found depend on the seed
ITEMS = Items(300, torch.arange(300) % 7, torch.tensor(list(GRAPH.edges)).t(), {"speaker": torch.arange(300) % 12})


def make_all(num_clients: int, seed: int) -> list[Partitioner]:
    made = [
        LouvainPartitioner(num_clients, seed),
        RandomPartitioner(num_clients, seed),
        DirichletPartitioner(num_clients, seed),
        BalancedDirichletPartitioner(num_clients, seed),
        GroupPartitioner("speaker", num_clients, seed),
    ]
    return [*made, MetisPartitioner(num_clients, seed)] if find_spec("pymetis") else made


def members(partition: Partition) -> list[list[int]]:
    return [member.tolist() for member in partition.members]


def name(partitioner: Partitioner) -> str:
    return type(partitioner).__name__


@pytest.mark.parametrize("partitioner", make_all(4, 0), ids=name)
def test_every_item_has_one_client_and_every_client_an_item(partitioner: Partitioner) -> None:
    partition = partitioner(ITEMS)
    assert len(partition) == 4
    assert torch.equal(torch.cat(partition.members).sort().values, torch.arange(ITEMS.num_items))
    assert partition.edge_index is ITEMS.edge_index


@pytest.mark.parametrize("partitioner", make_all(1, 0), ids=name)
def test_one_client_holds_everything(partitioner: Partitioner) -> None:
    partition = partitioner(ITEMS)
    assert torch.equal(partition.members[0], torch.arange(ITEMS.num_items))
    assert torch.equal(partition.edges(0), ITEMS.edge_index)


@pytest.mark.parametrize(
    ("first", "same", "other"), list(zip(make_all(5, 1), make_all(5, 1), make_all(5, 2), strict=True)), ids=name
)
def test_the_seed_decides_and_no_global_stream(first: Partitioner, same: Partitioner, other: Partitioner) -> None:
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    expected = members(first(ITEMS))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002
    random.seed(5)
    assert members(same(ITEMS)) == members(first(ITEMS)) == expected  # a call leaves nothing behind
    assert members(other(ITEMS)) != expected


def test_processes_agree_whatever_their_hash_seed() -> None:
    script = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from test_partitioner import ITEMS, make_all, members\n"
        "print([members(partitioner(ITEMS)) for partitioner in make_all(5, 1)])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # this process draws its own
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str([members(partitioner(ITEMS)) for partitioner in make_all(5, 1)])


@pytest.mark.parametrize(
    ("num_clients", "seed", "match"),
    [
        (0, 0, "num_clients: expected at least 1, got 0"),
        (2, -1, "seed: expected at least 0, got -1"),
    ],
)
def test_wrong_options_are_named(num_clients: int, seed: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        RandomPartitioner(num_clients, seed)


def test_fewer_items_than_clients() -> None:
    with pytest.raises(ValueError, match="num_clients: expected at most 3, the number of items, got 4"):
        RandomPartitioner(4)(Items(3))


def test_only_groups_tell_the_number_of_clients() -> None:
    with pytest.raises(ValueError, match="num_clients: expected a number for RandomPartitioner, got None"):
        RandomPartitioner(None)(ITEMS)


@pytest.mark.parametrize(
    ("partitioner", "match"),
    [
        (LouvainPartitioner(2, delta=0), r"items.edge_index: expected edges \[2, E\] for LouvainPartitioner, got None"),
        (MetisPartitioner(2), r"items.edge_index: expected edges \[2, E\] for MetisPartitioner, got None"),
        (DirichletPartitioner(2), r"items.labels: expected labels \[N\] for DirichletPartitioner, got None"),
    ],
)
def test_what_the_items_lack_is_named(partitioner: Partitioner, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        partitioner(Items(4))
