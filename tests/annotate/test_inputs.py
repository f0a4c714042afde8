from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.annotate import inputs
from graphml.annotate.inputs import InputError, load_model, load_models, prepare
from graphml.data import Conversations
from graphml.tasks import EmotionTask

Save = Callable[..., str]
Talk = Callable[..., Conversations]


def test_checkpoint_gives_the_task_back_in_eval_mode(save: Save, new_task: Callable[..., EmotionTask]) -> None:
    model = load_model(save("good.ckpt", seed=3))
    assert isinstance(model, EmotionTask)
    assert torch.equal(model.model.head.weight, new_task(seed=3, model=None).model.head.weight)
    assert model.classes[:2] == ["happy", "sad"]
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
    talk: Talk, new_task: Callable[..., EmotionTask], capsys: pytest.CaptureFixture[str]
) -> None:
    packed, _ = prepare(talk(), [new_task(["a", "b"], {"text": 8, "audio": 3})] * 2)
    assert bool(packed.features["audio"].isnan().all())
    assert packed.features["audio"].shape == (39, 3)
    assert capsys.readouterr().err == "graphml annotate: warning: no audio features: predicting without them\n"


def test_extractors_of_the_checkpoint_fill_in_once_for_all_models_that_share_them(
    talk: Talk, new_task: Callable[..., EmotionTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def extract(conversations: Conversations, extractors: dict[str, float]) -> dict[str, np.ndarray]:
        calls.extend(extractors.items())
        # a modality that none of the utterances has, here that of scale 0, has no entry
        x = np.ones((len(conversations.utterances), 3), np.float32)
        return {name: x * scale for name, scale in extractors.items() if scale}

    monkeypatch.setattr(inputs, "load_extractor", lambda state: state["scale"])
    monkeypatch.setattr(inputs, "extract_features", extract)
    models = [new_task(["a", "b"], {"text": 8, "audio": 3}, {"audio": {"scale": scale}}) for scale in (1, 1, 2, 0)]
    packed = prepare(talk(), models)
    assert calls == [("audio", 1), ("audio", 2), ("audio", 0)]
    assert [float(data.features["audio"].mean()) for data in packed[:3]] == [1, 1, 2]
    assert bool(packed[3].features["audio"].isnan().all())


def test_no_modality_or_another_width_is_refused(talk: Talk, new_task: Callable[..., EmotionTask]) -> None:
    with pytest.raises(
        InputError, match=r"expected features of audio or visual, got none: add audio.npz or visual.npz"
    ):
        prepare(talk(), [new_task(["a", "b"], {"audio": 3, "visual": 2})])
    with pytest.raises(InputError, match="text: expected 5 features as in training, got 8"):
        prepare(talk(), [new_task(["a", "b"], {"text": 5})])
