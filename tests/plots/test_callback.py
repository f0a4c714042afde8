import warnings
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from graphml.evaluation import emotion_report
from graphml.nn import WaveletConv
from graphml.plots.callback import FiguresCallback


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wavelet_layers = [WaveletConv(2, 2, num_scales=1), WaveletConv(2, 2, num_scales=2, low_pass=False)]


class Task(pl.LightningModule):
    """Logs a loss and keeps embeddings, as the tasks of the library do."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.weight = nn.Parameter(torch.ones(()))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.weight.square()
        self.log("train_loss", loss, batch_size=1)
        return loss

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.embeddings = torch.eye(3)
        self.labels = torch.arange(3)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Emotions(Task):
    """Keeps a report and the attention of its relations, as the emotion task does."""

    def __init__(self) -> None:
        super().__init__()
        del self.encoder

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.report = emotion_report(torch.eye(3), torch.arange(3), ["happy", "sad", "neutral"])
        self.relation_attention = (["past", "future"], torch.tensor([0.4, 0.6]))


class Silent(Task):
    """Offers nothing to draw."""

    def __init__(self) -> None:
        super().__init__()
        del self.encoder

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.weight.square()

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        pass


def drawn(tmp_path: Path, task: pl.LightningModule, callback: FiguresCallback, **options: Any) -> list[str]:
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one worker is enough for one number
        loader: DataLoader[Any] = DataLoader([torch.zeros(1)])  # type: ignore[arg-type]
        trainer.fit(task, loader)
        trainer.test(task, loader, verbose=False)
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def test_draws_what_the_task_offers(tmp_path: Path) -> None:
    callback = FiguresCallback(projection="pca")
    names = ["embeddings.png", "filters_layer1.png", "filters_layer2.png", "training_curve.png"]
    assert drawn(tmp_path, Task(), callback) == names
    assert all((tmp_path / "figures" / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert [round(float(loss), 4) for loss in callback.losses.values()] == [1.0, 0.64, 0.4096]


def test_draws_the_report_and_the_relations_of_an_emotion_task(tmp_path: Path) -> None:
    names = ["confusion_matrix.png", "per_class.png", "relation_weights.png", "reliability.png", "training_curve.png"]
    assert drawn(tmp_path, Emotions(), FiguresCallback()) == names


def test_draws_nothing_for_a_task_that_offers_nothing(tmp_path: Path) -> None:
    assert drawn(tmp_path, Silent(), FiguresCallback()) == []


@pytest.mark.parametrize(
    ("callback", "options"), [(FiguresCallback(enabled=False), {}), (FiguresCallback(), {"fast_dev_run": True})]
)
def test_can_be_turned_off(tmp_path: Path, callback: FiguresCallback, options: dict[str, Any]) -> None:
    assert drawn(tmp_path, Task(), callback, **options) == []
