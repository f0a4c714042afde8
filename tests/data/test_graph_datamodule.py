import pytest
import torch

from graphml.data import DatasetMissingError, GraphDataModule


def graphs_of(loader) -> list[float]:
    """A number that tells each graph of an epoch from the others."""
    return [float(graph.x[0, 1]) for batch in loader for graph in batch.to_data_list()]


def test_sizes_and_a_stratified_split(rings_and_stars):
    module = GraphDataModule.from_graphs(rings_and_stars)
    assert (module.in_channels, module.num_classes) == (3, 2)
    assert module.labels.tolist() == [0, 1] * 20
    assert [len(part) for part in module.split] == [32, 4, 4]
    assert torch.cat(list(module.split)).sort().values.tolist() == list(range(40))
    assert [int(module.labels[part].sum()) for part in module.split] == [16, 2, 2]


def test_seed_of_the_split(rings_and_stars):
    first, again, other = (GraphDataModule.from_graphs(rings_and_stars, split_seed=seed).split for seed in (0, 0, 1))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first.train, other.train)


def test_each_loader_serves_its_part_once(rings_and_stars):
    module = GraphDataModule.from_graphs(rings_and_stars, batch_size=6)
    for name, loader in (("train", module.train_dataloader()), ("val", module.val_dataloader())):
        batches = list(loader)
        assert [batch.num_graphs for batch in batches] == ([6] * 5 + [2] if name == "train" else [4])
        expected = [float(rings_and_stars[number].x[0, 1]) for number in getattr(module.split, name)]
        assert sorted(graphs_of(loader)) == sorted(expected)
    assert graphs_of(module.test_dataloader()) == [float(rings_and_stars[n].x[0, 1]) for n in module.split.test]
    assert graphs_of(module.predict_dataloader()) == [float(graph.x[0, 1]) for graph in rings_and_stars]


def test_order_is_of_the_seed_and_the_epoch(rings_and_stars):
    loaders = [GraphDataModule.from_graphs(rings_and_stars, batch_seed=seed).train_dataloader() for seed in (0, 0, 1)]
    first, again, other = ([graphs_of(loader), graphs_of(loader)] for loader in loaders)
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


def test_nothing_is_read_before_it_is_needed(monkeypatch):
    monkeypatch.setattr("graphml.data.graph_datamodule.load_graph_dataset", lambda *_: pytest.fail("read too early"))
    assert GraphDataModule("mutag", root="/nowhere").dataset_name == "MUTAG"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nosuch"}, "unknown dataset name 'nosuch'"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"batch_seed": -1}, "batch_seed: expected at least 0, got -1"),
    ],
)
def test_wrong_options_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        GraphDataModule(**options)


def test_fractions_that_leave_nothing_are_refused(rings_and_stars):
    with pytest.raises(ValueError, match=r"train_fraction \+ val_fraction must be less than 1"):
        GraphDataModule.from_graphs(rings_and_stars, train_fraction=0.9, val_fraction=0.2).setup("fit")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.ones(4, 2)}, r"graphs\[1\].x: expected \[n, 3\] as in the first, got \[4, 2\]"),
        ({"x": None}, r"graphs\[1\]: expected x, y and edge_index, got edge_index, y"),
        ({"y": torch.tensor([0, 1])}, r"graphs\[1\].y: expected one class from 0, got \[0, 1\]"),
        ({"y": torch.tensor([0.5])}, r"graphs\[1\].y: expected one class from 0, got \[0.5\]"),
        ({"edge_index": torch.tensor([[0], [9]])}, r"graphs\[1\].edge_index: expected nodes 0 to 3, got up to 9"),
    ],
)
def test_a_wrong_graph_is_named(rings_and_stars, change, message):
    wrong = rings_and_stars[1].clone()
    for name, value in change.items():
        wrong[name] = value
    with pytest.raises(ValueError, match=message):
        GraphDataModule.from_graphs([rings_and_stars[0], wrong])


def test_from_graphs_refuses_what_it_cannot_use(rings_and_stars):
    with pytest.raises(ValueError, match="graphs: expected at least one, got none"):
        GraphDataModule.from_graphs([])
    with pytest.raises(TypeError, match=r"from_graphs\(\) takes no name, root"):
        GraphDataModule.from_graphs(rings_and_stars, name="MUTAG", root="x")


def test_a_missing_dataset_is_named(tmp_path):
    with pytest.raises(DatasetMissingError, match="dataset MUTAG is missing"):
        GraphDataModule("MUTAG", root=str(tmp_path)).setup("fit")


def test_real_mutag(data_root):
    module = GraphDataModule("MUTAG", root=str(data_root))
    assert (module.in_channels, module.num_classes) == (7, 2)
    assert [len(part) for part in module.split] == [150, 19, 19]
