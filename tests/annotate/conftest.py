"""A model that needs no training, with the interface of the emotion task, and conversations to annotate."""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from graphml.annotate import inputs
from graphml.annotate.inputs import RelationEdges
from graphml.annotate.prediction import Annotations, annotate
from graphml.data import Conversations, DialogueBatch, Utterance, write_folder
from graphml.ops import dialogue_edges

CLASSES = ["happy", "sad", "neutral", "angry", "excited", "frustrated"]
NAMES = ["same speaker, past", "same speaker, future", "other speaker, past", "other speaker, future", "itself"]
EVIL = (
    """</script><img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script>&lt;b&gt; {{data}}"""
)


class FakeTask(pl.LightningModule):
    """A linear classifier of the features, with dropout and with the relations of a window of two utterances."""

    def __init__(
        self,
        classes: list[str],
        in_channels: Mapping[str, int],
        extractors: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.classes, self.in_channels, self.extractors = classes, in_channels, extractors or {}
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(sum(in_channels.values()), len(classes), generator=generator))

    def probabilities(self, batch: DialogueBatch, samples: int = 0, seed: int = 0) -> Tensor:
        x = torch.cat([batch.features[name].nan_to_num() for name in self.in_channels], dim=1)
        generator = torch.Generator().manual_seed(seed)
        keep = [torch.rand(x.shape, generator=generator) > 0.3 for _ in range(samples)] or [torch.ones_like(x)]
        return torch.stack([(x * mask) @ self.weight for mask in keep]).softmax(-1)

    def relations(self, batch: DialogueBatch) -> RelationEdges:
        edges = dialogue_edges(batch.lengths, batch.speakers, past=2, future=2)
        distance = (edges.edge_index[0] - edges.edge_index[1]).abs()
        return RelationEdges(edges.edge_index, edges.relation, 1 / (1.0 + distance), NAMES)


class OtherTask(pl.LightningModule):
    def __init__(self, hidden: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(hidden, hidden)


@pytest.fixture(autouse=True)
def fake_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_emotion_task", lambda: FakeTask)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Write a checkpoint of a task and return its path."""

    def write(name: str, other: bool = False, **options: Any) -> str:
        task = OtherTask() if other else FakeTask(**{"classes": CLASSES, "in_channels": {"text": 8}} | options)
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
def talk() -> Callable[..., Conversations]:
    return make_conversations


@pytest.fixture
def make_task() -> type[FakeTask]:
    return FakeTask


@pytest.fixture
def annotated() -> Callable[..., Annotations]:
    """Annotations of made-up conversations by the fake task."""

    def make(samples: int = 20, **options: Any) -> Annotations:
        conversations, models = make_conversations(**options), [FakeTask(CLASSES, {"text": 8})]
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
