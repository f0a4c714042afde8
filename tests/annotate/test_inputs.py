from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.annotate import inputs
from graphml.annotate.inputs import InputError, load_model, load_models, prepare
from graphml.data import ConversationDataModule, Conversations
from graphml.data.conversation import EmbeddingLinker, GivenEventsLinker, Linker, SharedWordsLinker
from graphml.ops import DialogueLinks
from graphml.tasks import EmotionTask

Save = Callable[..., str]
Talk = Callable[..., Conversations]
Trained = Callable[..., tuple[str, ConversationDataModule]]


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


def unlinked(conversations: Conversations) -> DialogueLinks:
    """No links."""
    return DialogueLinks(torch.empty(2, 0, dtype=torch.int64), torch.empty(0))


@pytest.mark.parametrize(
    "linker", [None, SharedWordsLinker(0.4, 1, ["what"]), EmbeddingLinker(threshold=0.5, max_links=2)]
)
def test_events_are_linked_as_those_that_the_model_was_trained_on(talk: Talk, trained: Trained, linker: Linker) -> None:
    checkpoint, data = trained(talk(dialogues=9), linker=linker)
    expected = data.data.select(data.conversations.split("test")).links
    assert expected is not None
    assert expected.weight.numel() > 0
    new = data.conversations.only("test")
    unsplit = Conversations([u._replace(split="") for u in new.utterances], new.classes, new.features)
    for conversations, split in ((data.conversations, "test"), (unsplit, None)):
        (packed,) = prepare(conversations, [load_model(checkpoint)], split)
        links = packed.select(range(len(packed))).links
        assert links is not None
        assert torch.equal(links.edge_index, expected.edge_index)
        torch.testing.assert_close(links.weight, expected.weight)


def test_events_that_the_conversations_do_not_name_are_no_links_and_that_is_said(
    talk: Talk, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    given = talk(dialogues=9)
    named = [u._replace(event=f"e{number % 3}") for number, u in enumerate(given.utterances)]
    checkpoint, _ = trained(Conversations(named, given.classes, given.features), linker=GivenEventsLinker())
    (packed,) = prepare(given, [load_model(checkpoint)])
    assert packed.select([0]).links is None
    assert "warning: no event links: conversations: expected utterances that name an event" in capsys.readouterr().err


def test_a_model_that_was_trained_without_links_gets_none(talk: Talk, trained: Trained) -> None:
    given = talk(dialogues=9)
    checkpoint, _ = trained(given.with_features({"audio": given.features["text"]}))
    (packed,) = prepare(given.with_features({"audio": given.features["text"]}), [load_model(checkpoint)])
    assert packed.select([0]).links is None


def test_a_linker_that_no_checkpoint_can_hold_is_refused(talk: Talk, trained: Trained) -> None:
    checkpoint, _ = trained(talk(dialogues=9), linker=unlinked)
    with pytest.raises(ValueError, match=r"linker: expected a class that can be imported and .* got .*unlinked"):
        prepare(talk(), [load_model(checkpoint)])


def test_no_modality_or_another_width_is_refused(talk: Talk, new_task: Callable[..., EmotionTask]) -> None:
    with pytest.raises(
        InputError, match=r"expected features of audio or visual, got none: add audio.npz or visual.npz"
    ):
        prepare(talk(), [new_task(["a", "b"], {"audio": 3, "visual": 2})])
    with pytest.raises(InputError, match="text: expected 5 features as in training, got 8"):
        prepare(talk(), [new_task(["a", "b"], {"text": 5})])
