import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from graphml.callbacks import EpochProgressBar, PredictionWriter, SparseCheckpoint


class Task(pl.LightningModule):
    """One weight."""

    def __init__(self, stop_after: int = 10**9) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.stop_after = stop_after

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.weight.square()
        self.log("train_loss", loss, prog_bar=True, batch_size=1, on_epoch=True, on_step=False)
        self.trainer.should_stop = self.current_epoch + 1 == self.stop_after
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        pass

    def predict_step(self, batch: Tensor, batch_idx: int) -> Any:
        return batch if self.stop_after > 1 else {"batch": batch}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(size: int = 1) -> DataLoader[Any]:
    return DataLoader([torch.full((1,), float(index)) for index in range(size)])  # type: ignore[arg-type]


def make_trainer(tmp_path: Path, callback: pl.Callback, **options: Any) -> pl.Trainer:
    settings: dict[str, Any] = {"max_epochs": 7, "enable_progress_bar": False, "enable_checkpointing": False} | options
    return pl.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[callback],
        **settings,
    )


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one worker is enough for one number
        yield


@pytest.mark.parametrize(
    ("options", "task", "epoch"),
    [({}, Task(), 7), ({"max_steps": 3, "max_epochs": -1}, Task(), 3), ({}, Task(stop_after=5), 5)],
)
def test_checkpoint_holds_the_end_of_training(
    tmp_path: Path, options: dict[str, Any], task: Task, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    save = pl.Trainer.save_checkpoint
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", lambda self, *a, **k: (saved.append(a), save(self, *a, **k)))
    callback = SparseCheckpoint()
    make_trainer(tmp_path, callback, enable_checkpointing=True, **options).fit(task, loader(), loader())
    assert len(saved) == 1
    assert torch.load(callback.best_model_path, weights_only=True)["global_step"] == epoch


def test_checkpoint_is_written_on_the_way_after_each_interval(tmp_path: Path) -> None:
    callback = SparseCheckpoint(seconds=0)
    trainer = make_trainer(tmp_path, callback, enable_checkpointing=True)
    seen = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append(len(list(tmp_path.rglob("*.ckpt"))))

    trainer.callbacks.append(Watch())
    trainer.fit(Task(), loader())
    assert seen == [0, *[1] * 6]


def progress(tmp_path: Path, batches: int) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        trainer = make_trainer(tmp_path, EpochProgressBar(), enable_progress_bar=True)
        trainer.fit(Task(), loader(batches), loader())
    return text.getvalue()


def test_one_bar_counts_the_epochs_of_a_full_graph(tmp_path: Path) -> None:
    text = progress(tmp_path, batches=1)
    assert "Epochs: 100%" in text
    assert "7/7" in text
    assert "train_loss" in text
    assert "Validation" not in text
    assert "v_num" not in text


def test_several_batches_an_epoch_have_the_usual_bars(tmp_path: Path) -> None:
    text = progress(tmp_path, batches=2)
    assert "Epoch 6: 100%" in text
    assert "2/2" in text
    assert "Epochs" not in text


def test_predictions_are_written_end_to_end(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, PredictionWriter())
    trainer.predict(Task(), loader(3))
    assert torch.load(tmp_path / "predictions.pt", weights_only=True).tolist() == [[0.0], [1.0], [2.0]]


def test_predictions_that_are_no_tensors_are_written_as_a_list(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, PredictionWriter())
    trainer.predict(Task(stop_after=1), loader(2))
    assert len(torch.load(tmp_path / "predictions.pt", weights_only=True)) == 2
