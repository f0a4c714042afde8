"""An untrained model, conversations to annotate, and a browser to look at the page with."""

import functools
import importlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from graphml.annotate import inputs
from graphml.annotate.prediction import Annotations, annotate
from graphml.data import ConversationDataModule, Conversations, Utterance, write_folder
from graphml.models import DERGCN
from graphml.tasks import EmotionTask

CLASSES = ["happy", "sad", "neutral", "angry", "excited", "frustrated"]
EVIL = (
    """</script><img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script>&lt;b&gt; {{data}}"""
)


SMALL = functools.partial(DERGCN, hidden_channels=8, windows=((2, 2),), events=False)


def make_task(
    classes: list[str] = CLASSES,
    in_channels: dict[str, int] | None = None,
    extractors: dict[str, Any] | None = None,
    seed: int = 0,
    model: Callable[..., nn.Module] | None = SMALL,
) -> EmotionTask:
    """An untrained task, sure enough of itself to differ between utterances."""
    torch.manual_seed(seed)
    task = EmotionTask(in_channels or {"text": 8}, len(classes), 3, model)
    task.classes, task.extractors = classes, extractors or {}
    with torch.no_grad():
        task.model.head.weight.mul_(8)
    return task.eval()


class OtherTask(pl.LightningModule):
    def __init__(self, hidden: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(hidden, hidden)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Write a checkpoint of a task and return its path."""

    def write(name: str, other: bool = False, **options: Any) -> str:
        task = OtherTask() if other else make_task(model=None, **options)
        trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
        trainer.strategy.connect(task)
        trainer.save_checkpoint(tmp_path / name)
        return str(tmp_path / name)

    return write


def make_conversations(
    dialogues: int = 3, utterances: int = 12, labels: bool = True, timed: bool = True
) -> Conversations:
    """Two to three speakers who talk in turn; the second text of the first dialogue tries to break out of the page."""
    rng = np.random.default_rng(0)
    texts = [
        "What do you mean?",
        EVIL,
        "Nothing. Really, nothing at all, I was just thinking about it.",
        "Oh, great!",
        "",
    ]
    rows = []
    for dialogue in range(dialogues):
        time = 0.0
        for number in range(utterances + dialogue):
            start, time = time, round(time + 1 + 3 * rng.random(), 2)
            rows.append(
                Utterance(
                    dialogue=f"dialogue {dialogue}",
                    utterance=f"u{number:03d}",
                    speaker=["Anna", "Ben <b>", "Chloé"][rng.integers(2 + dialogue % 2)],
                    start=start if timed else math.nan,
                    end=time - 0.1 if timed else math.nan,
                    text=texts[number % len(texts)],
                    label=CLASSES[rng.integers(6)] if labels and number % 3 else "",
                )
            )
    features = rng.standard_normal((len(rows), 8)).astype(np.float32)
    return Conversations(rows, CLASSES, {"text": features})


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., tuple[str, ConversationDataModule]]:
    """Train on made-up conversations for no batch; return the checkpoint and the data module."""

    def train(conversations: Conversations, **options: Any) -> tuple[str, ConversationDataModule]:
        write_folder(tmp_path / "training", conversations)
        data = ConversationDataModule(str(tmp_path / "training"), **options)
        task = EmotionTask(data.in_channels, data.num_classes, data.num_speakers, DERGCN)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        trainer = pl.Trainer(max_epochs=1, limit_train_batches=0, enable_checkpointing=False, **quiet)
        trainer.fit(task, data)
        trainer.strategy.connect(task)
        trainer.save_checkpoint(tmp_path / "trained.ckpt")
        return str(tmp_path / "trained.ckpt"), data

    return train


@pytest.fixture
def talk() -> Callable[..., Conversations]:
    return make_conversations


@pytest.fixture
def new_task() -> Callable[..., EmotionTask]:
    return make_task


@pytest.fixture
def annotated() -> Callable[..., Annotations]:
    """Annotations of made-up conversations by an untrained model."""

    def make(samples: int = 20, **options: Any) -> Annotations:
        conversations, models = make_conversations(**options), [make_task()]
        return annotate(conversations, models, inputs.prepare(conversations, models), samples)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "talk", make_conversations())
    return tmp_path / "talk"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; the tests that open the page are skipped where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        module = importlib.import_module("chromium")
        if module.EXECUTABLE is None:
            pytest.skip("no chromium on the PATH: the page is not opened")
        with module.Chromium(tmp_path_factory.mktemp("profile")) as browser:
            yield browser
