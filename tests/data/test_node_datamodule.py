import copy
import warnings

import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from lightning_fabric.utilities.warnings import PossibleUserWarning
from torch import nn
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.utils import to_dense_adj

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm, digits, karate_club


def messy_path() -> Data:
    """Symmetric, with a duplicate edge and a self-loop."""
    edges = [[0, 1], [1, 0], [0, 1], [1, 0], [1, 1], [1, 2], [2, 1], [2, 3], [3, 2], [3, 4], [4, 3], [4, 5], [5, 4]]
    y = torch.tensor([0, 1, 0, 1, 0, 1])
    return Data(x=torch.arange(12.0).view(6, 2), y=y, edge_index=torch.tensor(edges).t())


THIRDS = {"train_fraction": 0.34, "val_fraction": 0.34}


def test_default_is_digits():
    module = NodeDataModule()
    assert (module.num_nodes, module.in_channels, module.num_classes) == (1797, 64, 10)
    data = module.data
    assert set(data.keys()) == {
        *("x", "y", "edge_index", "edge_weight", "density", "splits", "train_mask", "val_mask", "test_mask")
    }
    assert data.x.dtype == data.edge_weight.dtype == data.density.dtype == torch.float32
    assert data.y.dtype == data.edge_index.dtype == torch.int64
    assert isinstance(data.edge_index, EdgeIndex)
    assert list(data.splits) == ["random 20/20/60"]
    assert data.splits["random 20/20/60"].train.shape == (1797, 4)
    assert data is module.data


def test_nothing_is_read_before_it_is_needed(monkeypatch):
    monkeypatch.setattr("graphml.data.node_datamodule.load_node_dataset", lambda *_: pytest.fail("read too early"))
    NodeDataModule("Cora", root="/nowhere")


@pytest.mark.parametrize(
    ("train", "val", "label"),
    [(0.1, 0.1, "random 10/10/80"), (0.6, 0.2, "random 60/20/20"), (0.125, 0.2, "random 12.5/20/67.5")],
)
def test_label_of_a_random_split(train, val, label):
    module = NodeDataModule(train_fraction=train, val_fraction=val)
    assert list(module.data.splits) == [label]


def test_graph_is_cleaned_and_the_given_one_not_changed():
    graph = messy_path()
    before = copy.deepcopy(graph)
    data = NodeDataModule.from_data(graph, normalize_features=True, self_loops=True, **THIRDS).data
    assert torch.equal(graph.x, before.x)
    assert torch.equal(graph.edge_index, before.edge_index)
    assert set(graph.keys()) == set(before.keys())
    plain = NodeDataModule.from_data(graph, **THIRDS).data
    path = torch.diag(torch.ones(5), 1) + torch.diag(torch.ones(5), -1)
    assert torch.equal(to_dense_adj(plain.edge_index.as_tensor())[0], path)
    torch.testing.assert_close(data.x.sum(dim=1), torch.ones(6))


def test_self_loops_enter_the_weights_and_the_density():
    with_loops = NodeDataModule("karate", self_loops=True).data
    without = NodeDataModule("karate").data
    assert with_loops.density[192:].sum() < 0.5 * without.density[192:].sum()  # loops push the spectrum below 1.5
    assert with_loops.edge_index.size(1) == without.edge_index.size(1) + 34
    adjacency = to_dense_adj(karate_club().edge_index)[0] + torch.eye(34)
    scale = adjacency.sum(dim=1).rsqrt()
    ours = to_dense_adj(with_loops.edge_index.as_tensor(), edge_attr=with_loops.edge_weight)[0]
    torch.testing.assert_close(ours, scale[:, None] * adjacency * scale)


def test_cached_structure_multiplies_as_the_dense_matrix():
    data = NodeDataModule("karate").data
    dense = to_dense_adj(data.edge_index.as_tensor(), edge_attr=data.edge_weight)[0]
    x = torch.randn(34, 5, requires_grad=True, generator=torch.Generator().manual_seed(0))
    out = data.edge_index.matmul(x, data.edge_weight, transpose=True)
    torch.testing.assert_close(out, dense @ x)
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    torch.testing.assert_close(gradient, 2 * dense.T @ dense @ x)


@pytest.mark.parametrize("normalize", [False, True])
def test_sparse_features_are_the_dense_ones(normalize):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # torch calls its CSR layout a beta on first use
        module = NodeDataModule(sparse_features=True, normalize_features=normalize)
        x = module.data.x
    assert x.layout == torch.sparse_csr
    assert torch.equal(x.to_dense(), NodeDataModule(normalize_features=normalize).data.x)
    assert (module.num_nodes, module.in_channels, module.num_classes) == (1797, 64, 10)
    weight = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x @ weight, x.to_dense() @ weight)


def test_masks_are_the_column_asked_for():
    data = NodeDataModule("karate", split_index=2).data
    split = data.splits["random 20/20/60"]
    for mask, columns in zip((data.train_mask, data.val_mask, data.test_mask), split, strict=True):
        assert torch.equal(mask, columns[:, 2])


def test_two_modules_of_one_configuration_are_equal():
    first, again = NodeDataModule("csbm").data, NodeDataModule("csbm").data
    for key in ("x", "y", "edge_weight", "density", "train_mask"):
        assert torch.equal(first[key], again[key])
    other = NodeDataModule("csbm", split_seed=1, density_seed=1).data
    assert not torch.equal(first.train_mask, other.train_mask)
    assert not torch.equal(first.density, other.density)


def test_public_split_of_a_graph_of_your_own():
    graph = messy_path()
    for part, nodes in (("train", [0, 1]), ("val", [2, 3]), ("test", [4, 5])):
        graph[f"{part}_mask"] = torch.zeros(6, dtype=torch.bool).index_fill_(0, torch.tensor(nodes), True)
    data = NodeDataModule.from_data(graph, split=["public", "random"], **THIRDS).data
    assert list(data.splits) == ["public", "random 34/34/32"]
    assert data.test_mask.nonzero().view(-1).tolist() == [4, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "publik"}, r"split must be one or more of public, random, geom-gcn, got \['publik'\]"),
        ({"split": []}, r"split must be one or more of .* got none"),
        ({"batch_size": 0}, "batch_size must be at least 1, or None for the full graph, got 0"),
        ({"batch_size": 8, "sparse_features": True}, "sparse_features needs the full graph: leave out batch_size"),
        ({"split_index": -1}, "split_index must not be negative, got -1"),
    ],
)
def test_wrong_options_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        NodeDataModule(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "public"}, "no public split"),
        ({"split": "geom-gcn"}, "split 'geom-gcn' exists for Cora, CiteSeer, PubMed, not for 'karate'"),
        ({"split_index": 4}, "split_index must be less than the 4 columns of split 'random 20/20/60', got 4"),
        ({"train_fraction": 0.03, "stratify": False}, "column 0: no training node of class"),
        ({"train_fraction": 0.03}, "stratify is not possible"),
    ],
)
def test_wrong_options_for_the_dataset(options, message):
    with pytest.raises(ValueError, match=message):
        NodeDataModule("karate", **options).setup("fit")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_index": torch.tensor([[0, 1], [1, 2]])}, "must be symmetric"),
        ({"edge_index": torch.tensor([[0, 9], [9, 0]])}, "out of range"),
        ({"edge_index": torch.tensor([[0, -1], [-1, 0]])}, "negative indices"),
        ({"edge_index": torch.zeros(2, 0, dtype=torch.long)}, "graph is empty"),
        ({"x": torch.full((6, 2), float("nan"))}, "must be finite"),
    ],
)
def test_a_wrong_graph_is_refused_at_once(change, message):
    graph = messy_path()
    graph.update(change)
    with pytest.raises(ValueError, match=message):
        NodeDataModule.from_data(graph)


def test_from_data_refuses_what_it_cannot_use():
    with pytest.raises(TypeError, match=r"from_data\(\) takes no name, root"):
        NodeDataModule.from_data(karate_club(), name="Cora", root="x")
    with pytest.raises(TypeError, match=r"data.y must be a tensor of integer class labels, got None"):
        NodeDataModule.from_data(Data(x=karate_club().x, edge_index=karate_club().edge_index))
    with pytest.raises(ValueError, match="split 'geom-gcn' belongs to Planetoid's graphs"):
        NodeDataModule.from_data(karate_club(), split="geom-gcn")


class Recorder(pl.LightningModule):
    """A linear model that keeps each batch it sees."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, num_classes)
        self.batches: list[Data] = []

    def training_step(self, batch: Data, batch_idx: int) -> torch.Tensor:
        self.batches.append(batch)
        return nn.functional.cross_entropy(self.linear(batch.x)[batch.train_mask], batch.y[batch.train_mask])

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self.batches.append(batch)

    test_step = validation_step

    def predict_step(self, batch: Data, batch_idx: int) -> torch.Tensor:
        return batch.n_id[: batch.batch_size] if "n_id" in batch else torch.arange(batch.num_nodes)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(**options) -> pl.Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(accelerator="cpu", max_epochs=3, log_every_n_steps=1, deterministic=True, **quiet, **options)


def test_lightning_gets_the_same_object_each_epoch_and_does_not_warn():
    module = NodeDataModule("karate")
    model = Recorder(module.in_channels, module.num_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PossibleUserWarning)  # Lightning's advice on loaders
        run = trainer()
        run.fit(model, datamodule=module)
        run.test(model, datamodule=module, verbose=False)
        (predicted,) = run.predict(model, datamodule=module)
    assert len(model.batches) == 3 + 1 + 3 + 1  # sanity check, training and validation of three epochs, test
    assert all(batch is module.data for batch in model.batches)
    assert torch.equal(predicted, torch.arange(34))


def test_full_graph_moves_once_with_its_caches_and_splits():
    module = NodeDataModule("karate")
    meta = torch.device("meta")
    moved = module.transfer_batch_to_device(module.data, meta, 0)
    assert moved is module.data
    assert moved.x.device == moved.edge_index.device == moved.density.device == meta
    assert moved.edge_index._T_perm.device == meta
    assert moved.splits["random 20/20/60"].train.device == meta
    features = moved.x
    assert module.transfer_batch_to_device(moved, meta, 0) is moved
    assert moved.x is features


def test_mini_batches_under_lightning():
    graph = contextual_sbm(300)
    module = NodeDataModule.from_data(graph, batch_size=64, num_neighbors=[3, 3], split=["random"])
    model = Recorder(module.in_channels, module.num_classes)
    run = trainer(num_sanity_val_steps=0)
    run.fit(model, datamodule=module)
    assert len(model.batches) == 3 * (5 + 5)
    split = module.data.splits["random 20/20/60"]
    for batch in model.batches:
        assert torch.equal(batch.train_mask, module.data.train_mask[batch.n_id])
        for part, full in zip(batch.splits["random 20/20/60"], split, strict=True):
            assert torch.equal(part, full[batch.n_id])
    assert torch.equal(torch.cat(run.predict(model, datamodule=module)), torch.arange(300))
    assert module.data.x.shape == (300, 32)  # sampling leaves the full graph whole
    assert module.data.splits["random 20/20/60"] is split


def test_mini_batches_keep_self_loops():
    module = NodeDataModule("karate", self_loops=True, batch_size=10, num_neighbors=[2])
    for batch in module.val_dataloader():
        loops = batch.edge_index[0] == batch.edge_index[1]
        assert int(loops.sum()) == batch.num_nodes


def test_batch_seed_gives_the_same_epoch():
    def epoch(seed: int) -> list[torch.Tensor]:
        module = NodeDataModule("csbm", batch_size=300, batch_seed=seed)
        return [batch.n_id for batch in module.train_dataloader()]

    assert all(torch.equal(a, b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not torch.equal(epoch(1)[0][:300], epoch(2)[0][:300])


def test_options_are_read_by_jsonargparse():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(NodeDataModule, "data")
    given = {"name": "karate", "split": "[random]", "num_neighbors": "[5]", "batch_size": "8"}
    config = parser.parse_args([f"--data.{name}={value}" for name, value in given.items()])
    module = NodeDataModule(**config.data.as_dict())
    assert module.num_neighbors == [5]
    assert module.num_nodes == 34
    assert parser.get_defaults().data.num_neighbors == [10, 10]


def test_real_cora_with_all_three_splits(data_root):
    module = NodeDataModule("Cora", root=str(data_root), split=["public", "random", "geom-gcn"])
    assert (module.num_nodes, module.in_channels, module.num_classes) == (2708, 1433, 7)
    assert module.data.edge_index.size(1) == 10556
    sizes = {label: [int(mask[:, 0].sum()) for mask in split] for label, split in module.data.splits.items()}
    assert sizes == {"public": [140, 500, 1000], "random 20/20/60": [542, 542, 1624], "geom-gcn": [1192, 796, 497]}
    assert {label: split.train.size(1) for label, split in module.data.splits.items()} == {
        "public": 1,
        "random 20/20/60": 4,
        "geom-gcn": 10,
    }


def test_digits_row_sums_after_normalisation():
    module = NodeDataModule(normalize_features=True)
    torch.testing.assert_close(module.data.x.sum(dim=1), torch.ones(1797))
    assert torch.equal(NodeDataModule().data.x, digits().x)


@pytest.mark.parametrize(("name", "layout"), [("digits", torch.strided), ("karate", torch.sparse_csr)])
def test_features_are_sparse_where_that_is_worthwhile(name, layout):
    assert NodeDataModule(name, sparse_features="auto").data.x.layout == layout  # half of all, and 1 of 34 per row
