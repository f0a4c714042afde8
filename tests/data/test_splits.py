import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphml.data import NodeSplit, geom_gcn_split, public_split, random_split
from graphml.data.samples import digits, karate_club
from graphml.data.splits import check_classes


def assert_partition(split: NodeSplit) -> None:
    assert all(mask.dtype == torch.bool for mask in split)
    assert ((split.train.int() + split.val.int() + split.test.int()) == 1).all()


@pytest.mark.parametrize("stratify", [True, False])
def test_random_splits_have_the_sizes_asked_for(stratify):
    split = random_split(digits().y, 0.2, 0.3, num_splits=3, stratify=stratify)
    assert_partition(split)
    assert split.train.shape == (1797, 3)
    assert split.train.sum(dim=0).tolist() == [359] * 3
    assert split.val.sum(dim=0).tolist() == [539] * 3
    assert not torch.equal(split.train[:, 0], split.train[:, 1])


def test_stratified_splits_keep_the_shares_of_the_classes():
    y = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)[
        torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    ]
    split = random_split(y, 0.2, 0.2, num_splits=4, stratify=True)
    for column in range(4):
        assert y[split.train[:, column]].bincount().tolist() == [120, 60, 20]
        assert y[split.val[:, column]].bincount().tolist() == [120, 60, 20]
        assert y[split.test[:, column]].bincount().tolist() == [360, 180, 60]


def test_plain_splits_do_not_keep_the_shares():
    y = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    split = random_split(y, 0.2, 0.2, num_splits=4, stratify=False)
    counts = {tuple(y[split.train[:, column]].bincount().tolist()) for column in range(4)}
    assert len(counts) > 1


@pytest.mark.parametrize("stratify", [True, False])
def test_same_seed_same_splits_whatever_their_number(stratify):
    y = digits().y
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    few = random_split(y, num_splits=2, stratify=stratify, seed=7)
    many = random_split(y, num_splits=5, stratify=stratify, seed=7)
    other = random_split(y, num_splits=2, stratify=stratify, seed=8)
    assert all(torch.equal(a, b[:, :2]) for a, b in zip(few, many, strict=True))
    assert not torch.equal(few.train, other.train)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_karate_club_can_be_stratified():
    y = karate_club().y
    split = random_split(y, 0.2, 0.2, num_splits=10)
    assert_partition(split)
    assert split.train.sum(dim=0).tolist() == [7] * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_fraction": 0.0}, r"train_fraction must be in \(0, 1\), got 0.0"),
        ({"val_fraction": 1.0}, r"val_fraction must be in \(0, 1\), got 1.0"),
        ({"train_fraction": 0.5, "val_fraction": 0.5}, "must be less than 1, got 0.5"),
        ({"num_splits": 0}, "num_splits must be at least 1, got 0"),
        ({"train_fraction": 0.01}, "34 nodes are too few.*would hold 0, 7 and 27 nodes"),
        ({"seed": -1}, "seed must not be negative, got -1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        random_split(karate_club().y, **options)


def test_too_few_nodes_to_stratify():
    with pytest.raises(ValueError, match=r"stratify is not possible: 2 of 12 nodes.*classes of \[4, 4, 4\] nodes"):
        random_split(torch.arange(12) % 3, 0.2, 0.2)
    with pytest.raises(ValueError, match="set stratify to false"):
        random_split(torch.tensor([0] * 50 + [1]), 0.2, 0.2)


def test_class_left_out_of_training():
    y = torch.tensor([0] * 50 + [4])
    with pytest.raises(ValueError, match=r"split 'random', column 0: no training node of class 4"):
        random_split(y, 0.1, 0.1, num_splits=1, stratify=False, seed=0)


def test_check_classes_names_every_class_and_the_column():
    y = torch.tensor([0, 1, 2, 3])
    train = torch.tensor([[1, 1], [1, 1], [1, 0], [1, 0]]).bool()
    with pytest.raises(ValueError, match="split 'mine', column 1: no training node of class 2, 3"):
        check_classes(NodeSplit(train, ~train, ~train), y, "mine")
    check_classes(NodeSplit(train[:, :1], ~train, ~train), y, "mine")


def test_public_split_of_one_mask():
    train, val, test = torch.eye(3, dtype=torch.bool)
    split = public_split(Data(train_mask=train, val_mask=val, test_mask=test, num_nodes=3))
    assert_partition(split)
    assert split.train.tolist() == [[True], [False], [False]]


def test_public_split_repeats_a_single_test_mask_as_in_wikics():
    train = torch.rand(5, 20, generator=torch.Generator().manual_seed(0)) < 0.5
    test = torch.tensor([True, False, False, False, True])
    split = public_split(Data(train_mask=train, val_mask=~train, test_mask=test, num_nodes=5))
    assert split.test.shape == (5, 20)
    assert all(torch.equal(split.test[:, column], test) for column in range(20))
    assert torch.equal(split.train, train)


def test_public_split_missing():
    with pytest.raises(ValueError, match=r"no public split.*use split 'random'"):
        public_split(karate_club())


def write_geom_gcn(folder, name: str, masks: np.ndarray, count: int = 10) -> None:
    for k in range(count):
        np.savez(
            folder / f"{name}_split_0.6_0.2_{k}.npz",
            train_mask=masks[k] == 0, val_mask=masks[k] == 1, test_mask=masks[k] == 2,
        )  # fmt: skip


def test_geom_gcn_files_are_the_columns(tmp_path):
    parts = np.random.default_rng(0).integers(0, 3, size=(10, 6))
    write_geom_gcn(tmp_path, "cora", parts)
    split = geom_gcn_split(tmp_path, "Cora")
    assert_partition(split)
    for part, mask in enumerate(split):
        assert np.array_equal(mask.numpy(), (parts == part).T)


def test_geom_gcn_missing_file(tmp_path):
    write_geom_gcn(tmp_path, "cora", np.zeros((9, 3)), count=9)
    with pytest.raises(FileNotFoundError, match=r"no Geom-GCN split at .*cora_split_0.6_0.2_9.npz"):
        geom_gcn_split(tmp_path, "Cora")
