import functools
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch_geometric.data import Batch

from graphml.cli import main
from graphml.data import GraphDataModule
from graphml.models import GINGraphClassifier
from graphml.tasks import GraphClassificationTask

SMALL = functools.partial(GINGraphClassifier, hidden_channels=8)


@pytest.fixture
def module(rings_and_stars) -> GraphDataModule:
    return GraphDataModule.from_graphs(rings_and_stars, batch_size=10, train_fraction=0.6, val_fraction=0.2)


def make_task(**options) -> GraphClassificationTask:
    pl.seed_everything(0, verbose=False)
    return GraphClassificationTask(3, 2, **({"model": SMALL} | options))


def test_it_learns_and_logs(make_trainer, module):
    task, trainer = make_task(), make_trainer(max_epochs=30)
    trainer.fit(task, module)
    assert trainer.callback_metrics.keys() == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    (metrics,) = trainer.test(task, module, verbose=False)
    probabilities = torch.cat(trainer.predict(task, module))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(40))
    right = (probabilities.argmax(1) == module.labels)[module.split.test].double().mean().item()
    assert metrics["test_accuracy"] == pytest.approx(right)
    assert right > 0.9


def test_metrics_of_several_batches_are_those_of_all_graphs(make_trainer, rings_and_stars):
    task = make_task()
    results = []
    for batch_size in (3, 40):
        data = GraphDataModule.from_graphs(rings_and_stars, batch_size=batch_size, train_fraction=0.5, val_fraction=0.2)
        results.append(make_trainer().test(task, data, verbose=False)[0])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_loss_and_counts_by_hand(rings_and_stars):
    task = make_task().eval()
    batch = Batch.from_data_list(rings_and_stars[:9])
    logits = task(batch)
    right = [int(row.argmax()) == int(label) for row, label in zip(logits, batch.y, strict=True)]
    loss, values = task.loss(task.network, batch, torch.Generator())
    torch.testing.assert_close(loss, F.cross_entropy(logits, batch.y))
    assert values["accuracy"].item() == pytest.approx(sum(right) / 9)
    whole = task.counts(task.network, batch, "val")
    assert (int(whole["correct"]), int(whole["count"])) == (sum(right), 9)
    parts = [
        task.counts(task.network, Batch.from_data_list(part), "val")
        for part in (rings_and_stars[:4], rings_and_stars[4:9])
    ]
    added = {name: parts[0][name] + parts[1][name] for name in whole}
    assert task.metrics(added) == pytest.approx(task.metrics(whole))
    assert task.metrics(whole) == pytest.approx({"loss": loss.item(), "accuracy": sum(right) / 9})


def test_two_runs_and_a_resumed_one_are_bit_equal(make_trainer, module, tmp_path):
    states = []
    for resumed in (False, False, True):
        torch.rand(3)  # what was drawn before does not matter
        path = None
        if resumed:
            half = make_trainer(max_epochs=2)
            half.fit(make_task(), module)
            half.save_checkpoint(path := tmp_path / "half.ckpt")
        task = make_task()
        make_trainer(max_epochs=4).fit(task, module, ckpt_path=path, weights_only=True)
        states.append(task.state_dict())
    for other in states[1:]:
        assert [name for name in other if not torch.equal(other[name], states[0][name])] == []


@pytest.mark.parametrize("options", [{}, {"weights_only": True}], ids=["default", "weights_only"])
def test_load_from_checkpoint_restores_the_task(make_trainer, module, tmp_path, options):
    trainer, task = make_trainer(max_epochs=1), make_task(lr=0.5)
    trainer.fit(task, module)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = GraphClassificationTask.load_from_checkpoint(tmp_path / "a.ckpt", **options)
    assert loaded.lr == 0.5
    batch = Batch.from_data_list(module.graphs)
    assert torch.equal(loaded.eval()(batch), task.eval()(batch))


def test_double_precision(make_trainer, module):
    task = make_task()
    make_trainer(max_epochs=1, precision="64-true").fit(task, module)
    assert task.dtype == torch.float64


def test_it_runs_from_the_command_line(data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--model=GraphClassificationTask", "--data=GraphDataModule", f"--data.root={data_root}"]
    quick = ["--trainer.max_epochs=2", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    assert main(["fit", *options, *quick]) == 0
    (checkpoint,) = Path("runs/fit/version_0/checkpoints").glob("*.ckpt")
    assert main(["test", *options, *quick, f"--ckpt_path={checkpoint}"]) == 0
    assert "test_accuracy" in Path("runs/test/version_0/metrics.csv").read_text()
    assert main(["predict", *options, *quick, f"--ckpt_path={checkpoint}"]) == 0
    assert torch.load("runs/predict/version_0/predictions.pt").shape == (188, 2)
