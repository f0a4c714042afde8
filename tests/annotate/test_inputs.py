from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphml.annotate import inputs
from graphml.annotate.inputs import InputError, load_model, load_models, prepare
from graphml.data import Conversations

Save = Callable[..., str]
Talk = Callable[..., Conversations]


def test_checkpoint_gives_the_task_back_in_eval_mode(save: Save, make_task: Any) -> None:
    model = load_model(save("good.ckpt", seed=3))
    assert isinstance(model, make_task)
    assert torch.equal(model.weight, make_task(model.classes, {"text": 8}, seed=3).weight)
    assert not model.training


def test_what_is_no_checkpoint_of_an_emotion_task_is_refused(save: Save, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint .*absent.ckpt: expected the file that training wrote"):
        load_model(tmp_path / "absent.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    for path in (tmp_path / "text.ckpt", save("other.ckpt", other=True)):
        with pytest.raises(InputError, match=r"\.ckpt: expected a checkpoint of EmotionTask"):
            load_model(path)


def test_ensemble_of_different_emotions_is_refused(save: Save) -> None:
    paths = [save("a.ckpt"), save("b.ckpt", classes=["happy", "sad"])]
    with pytest.raises(InputError, match=r"b.ckpt: expected the emotions of .*a.ckpt, .* got happy, sad"):
        load_models(paths)


def test_missing_modality_is_rows_of_nan_and_is_said(
    talk: Talk, make_task: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, _ = prepare(talk(), [make_task(["a", "b"], {"text": 8, "audio": 3})] * 2)
    assert bool(packed.features["audio"].isnan().all())
    assert packed.features["audio"].shape == (39, 3)
    assert capsys.readouterr().err == "graphml annotate: warning: no audio features: predicting without them\n"


def test_extractors_of_the_checkpoint_fill_in_once_for_all_models_that_share_them(
    talk: Talk, make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def extract(conversations: Conversations, modality: str, state: dict[str, Any]) -> np.ndarray:
        calls.append((modality, state["scale"]))
        return np.full((len(conversations.utterances), 3), state["scale"], np.float32)

    monkeypatch.setattr(inputs, "_extract", extract)
    models = [make_task(["a", "b"], {"text": 8, "audio": 3}, {"audio": {"scale": scale}}) for scale in (1, 1, 2)]
    packed = prepare(talk(), models)
    assert calls == [("audio", 1), ("audio", 2)]
    assert [float(data.features["audio"].mean()) for data in packed] == [1, 1, 2]


def test_no_modality_or_another_width_is_refused(talk: Talk, make_task: Any) -> None:
    with pytest.raises(
        InputError, match=r"expected features of audio or visual, got none: add audio.npz or visual.npz"
    ):
        prepare(talk(), [make_task(["a", "b"], {"audio": 3, "visual": 2})])
    with pytest.raises(InputError, match="text: expected 5 features as in training, got 8"):
        prepare(talk(), [make_task(["a", "b"], {"text": 5})])
