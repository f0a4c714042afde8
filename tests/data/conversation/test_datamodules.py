"""Data modules of conversations: splits, labels, modalities, and the counts of the real corpora."""

from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.data import (
    ConversationDataModule,
    Conversations,
    DatasetMissingError,
    IEMOCAPDataModule,
    MELDDataModule,
    PackedLoader,
    Utterance,
    write_folder,
)
from graphml.data.features import TfidfSvd, save_extractors


@pytest.fixture
def folder(conversations, tmp_path: Path) -> Path:
    write_folder(tmp_path / "mine", conversations)
    return tmp_path / "mine"


@pytest.fixture
def erc(data_root: Path) -> Path:
    found = data_root.parent / "erc"
    if not found.is_dir():
        pytest.skip(f"no {found}")
    return found


def supports(module, split: str) -> list[int]:
    rows = np.array([u.split == split for u in module.conversations.utterances])
    labels = module.conversations.labels[rows]
    return np.bincount(labels[labels >= 0], minlength=module.num_classes).tolist()


def count(module, split: str) -> tuple[int, int]:
    chosen = module.conversations.split(split)
    return len(chosen), int(module.conversations.lengths[chosen].sum())


def test_sizes_classes_and_statistics_of_your_own_folder(folder, conversations) -> None:
    module = ConversationDataModule(str(folder))
    assert module.in_channels == {"audio": 4, "text": 6}
    assert (module.num_classes, module.num_speakers) == (3, 2)
    assert module.classes == ["happy", "sad", "neutral"]
    rows = np.array([u.split == "train" for u in conversations.utterances])
    training = module.training_dialogues
    np.testing.assert_array_equal(training.features["text"].numpy(), conversations.features["text"][rows])
    assert training.labels.tolist() == conversations.labels[rows].tolist()


def test_loaders_serve_the_dialogues_of_their_splits(folder) -> None:
    module = ConversationDataModule(str(folder), batch_size=4)
    for split, loader in (("train", module.train_dataloader()), ("val", module.val_dataloader())):
        assert isinstance(loader, PackedLoader)
        served = torch.cat([batch.index for batch in loader])
        assert sorted(served.tolist()) == module.conversations.split(split).tolist()
    orders = [torch.cat([b.index for b in ConversationDataModule(str(folder)).train_dataloader()]) for _ in range(2)]
    assert torch.equal(*orders)
    assert (
        torch.cat([b.index for b in module.test_dataloader()]).tolist() == module.conversations.split("test").tolist()
    )


def test_events_are_linked_within_dialogues(folder) -> None:
    batch = next(iter(ConversationDataModule(str(folder)).test_dataloader()))
    assert batch.links is not None
    source, target = batch.links.edge_index
    assert len(source) > 0
    assert torch.equal(batch.batch[source], batch.batch[target])


def test_sound_alone_has_no_events_and_lost_text_links_nothing(folder) -> None:
    batch = next(iter(ConversationDataModule(str(folder), modalities=["audio"]).test_dataloader()))
    assert batch.links is None
    batch = next(iter(ConversationDataModule(str(folder), missing={"text": 1.0}).test_dataloader()))
    assert batch.links is not None
    assert batch.links.weight.numel() == 0


def test_a_corpus_without_two_emotions_is_refused(tmp_path) -> None:
    rows = [Utterance(f"d{n}", "0", "A", text="so") for n in range(3)]
    write_folder(tmp_path, Conversations(rows, [], {"text": np.ones((3, 2), dtype=np.float32)}))
    with pytest.raises(
        ValueError, match="label: expected at least 2 emotions among the labels of the corpus, got none"
    ):
        ConversationDataModule(str(tmp_path)).num_classes  # noqa: B018


def test_the_extractors_of_a_folder_come_along_whatever_the_module(folder) -> None:
    state = TfidfSvd(2).fit(["a good day", "a bad day"]).state()
    save_extractors(folder, {"text": state})
    for module in (ConversationDataModule(str(folder)), MELDDataModule(str(folder))):
        assert module.in_channels
        assert module.extractors["text"]["kind"] == "tfidf"


def test_a_corpus_without_splits_is_split_by_dialogue(make_conversations, tmp_path) -> None:
    write_folder(tmp_path, make_conversations(20, splits=()))
    module = ConversationDataModule(str(tmp_path), val_fraction=0.2, test_fraction=0.3, split_seed=1)
    assert [len(module.conversations.split(name)) for name in ("train", "val", "test")] == [10, 4, 6]


def test_modalities_are_chosen_in_order_and_an_absent_one_is_refused(folder) -> None:
    assert list(ConversationDataModule(str(folder), modalities=["text", "audio"]).in_channels) == ["text", "audio"]
    assert list(ConversationDataModule(str(folder), modalities=["audio"]).in_channels) == ["audio"]
    with pytest.raises(ValueError, match=r"some of those of the corpus \(audio, text\), got visual"):
        ConversationDataModule(str(folder), modalities=["visual"]).in_channels  # noqa: B018


def test_words_are_fitted_on_the_training_sentences(folder) -> None:
    module = ConversationDataModule(str(folder), words=5)
    assert module.in_channels["words"] == 5
    assert module.extractors["words"]["kind"] == "tfidf"
    with pytest.raises(ValueError, match="words: expected a number of features, or 0 for none, got -1"):
        ConversationDataModule(str(folder), words=-1)


def test_test_utterances_lose_a_modality_and_training_ones_do_not(folder) -> None:
    module = ConversationDataModule(str(folder), missing={"audio": 1.0})
    test, train = next(iter(module.test_dataloader())), next(iter(module.train_dataloader()))
    assert test.features["audio"].isnan().all()
    assert not test.features["text"].isnan().any()
    assert not train.features["audio"].isnan().any()


def test_a_corpus_that_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("GRAPHML_DATA", raising=False)
    with pytest.raises(DatasetMissingError, match=r"or put IEMOCAP_features\.pkl into \$GRAPHML_DATA/erc"):
        IEMOCAPDataModule()
    with pytest.raises(DatasetMissingError, match=r"no conversations in .*nowhere"):
        ConversationDataModule(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="emotions: expected 6-way, 4-way-merged or 4-way-dropped, got '5-way'"):
        IEMOCAPDataModule(str(tmp_path), emotions="5-way")
    with pytest.raises(ValueError, match="validation: expected first-12 or session-4, got 'random'"):
        IEMOCAPDataModule(str(tmp_path), validation="random")


def test_iemocap_six_way(erc) -> None:
    module = IEMOCAPDataModule(str(erc / "IEMOCAP_features.pkl"))
    assert module.classes == ["happy", "sad", "neutral", "angry", "excited", "frustrated"]
    assert supports(module, "test") == [144, 245, 384, 170, 299, 381]
    assert count(module, "test") == (31, 1623)
    assert (count(module, "train")[0], count(module, "val")[0]) == (108, 12)
    assert count(module, "train")[1] + count(module, "val")[1] == 5810
    first = module.conversations.dialogues[:12]
    assert [u for u in module.conversations.utterances if u.split == "val"] == [
        u for u in module.conversations.utterances if u.dialogue in first
    ]
    assert all(u.dialogue.startswith("Ses05") == (u.split == "test") for u in module.conversations.utterances)
    assert module.in_channels == {"text": 384, "audio": 9}
    assert module.num_speakers == 2


def test_iemocap_session_4_is_taken_whatever_the_files_own_validation(tmp_path) -> None:
    rows = [
        Utterance(name, "0", "A", label=label, split=split)
        for name, split, label in (("Ses01F_impro01", "val", "happy"), ("Ses04F_impro01", "train", "sad"))
    ]
    write_folder(tmp_path, Conversations(rows, ["happy", "sad"], {"text": np.ones((2, 2), dtype=np.float32)}))
    for validation, dialogue in (("first-12", "Ses01F_impro01"), ("session-4", "Ses04F_impro01")):
        module = IEMOCAPDataModule(str(tmp_path), validation=validation)
        assert [u.dialogue for u in module.conversations.utterances if u.split == "val"] == [dialogue]


def test_iemocap_session_4_validates_on_unseen_speakers(erc) -> None:
    module = IEMOCAPDataModule(str(erc / "IEMOCAP_features.pkl"), validation="session-4")
    assert all(u.dialogue.startswith("Ses04") == (u.split == "val") for u in module.conversations.utterances)


@pytest.mark.parametrize(("emotions", "total"), [("4-way-merged", 5584), ("4-way-dropped", 4543)])
def test_iemocap_four_way_in_both_meanings(erc, emotions, total) -> None:
    """The merged count is 5,531 in the release; the pickles count 53 utterances more as happy (see the card)."""
    module = IEMOCAPDataModule(str(erc / "IEMOCAP_features.pkl"), emotions=emotions)
    assert module.classes == ["happy", "sad", "neutral", "angry"]
    assert sum(sum(supports(module, split)) for split in ("train", "val", "test")) == total
    assert len(module.conversations.utterances) == 7433  # those left out stay as context


def test_meld(erc) -> None:
    module = MELDDataModule(str(erc / "MELD_features_raw1.pkl"))
    assert [count(module, split) for split in ("train", "val", "test")] == [(1038, 9989), (114, 1109), (280, 2610)]
    assert supports(module, "test") == [1256, 281, 50, 208, 402, 68, 345]
    assert module.in_channels == {"text": 384}
    assert module.num_speakers == 9
