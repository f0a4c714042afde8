"""Tables of features: right rows, missing ones declared, the same on several processes, and states as files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from graphml.data import Conversations, Utterance, read_folder
from graphml.data.features import (
    AudioError,
    AudioFeatures,
    TfidfSvd,
    extract_features,
    load_extractor,
    load_states,
    save_extractors,
)
from graphml.data.features.extract import fill_table


def test_rows_are_those_of_each_recording_and_sentence(folder: Path):
    conversations = read_folder(folder)
    audio, text = AudioFeatures(), TfidfSvd(dim=3).fit([u.text for u in conversations.utterances])
    with pytest.warns(UserWarning, match=r"1 recordings left out: .*1\.wav: expected audio"):
        features = extract_features(conversations, {"audio": audio, "text": text})
    for row in (0, 2, 3, 4):
        np.testing.assert_array_equal(features["audio"][row], audio.extract(folder / "wav" / f"{row}.wav"))
    assert np.isnan(features["audio"]).all(axis=1).tolist() == [False, True, False, False, False, True]
    np.testing.assert_allclose(features["text"], text.extract([u.text for u in conversations.utterances]))
    conversations.with_features(features)  # valid


def test_two_processes_make_what_one_makes(folder: Path):
    utterances = read_folder(folder).utterances
    one, problems = fill_table(utterances, AudioFeatures())
    two, same = fill_table(utterances, AudioFeatures(), processes=2)
    np.testing.assert_array_equal(one, two)
    assert problems == same
    assert len(problems) == 1


def test_rows_that_are_there_are_not_made_again(folder: Path):
    utterances = read_folder(folder).utterances
    table = np.full((6, 474), np.nan, np.float32)
    table[[0, 2]] = 7
    table, _ = fill_table(utterances, AudioFeatures(), table)
    assert (table[[0, 2]] == 7).all()
    assert np.isfinite(table[[3, 4]]).all()


def test_a_modality_that_all_utterances_lack_has_no_entry():
    conversations = Conversations([Utterance("d", "0", "A", text="so glad")], [])
    features = extract_features(
        conversations, {"audio": AudioFeatures(), "text": TfidfSvd().fit(["so glad", "so sad"])}
    )
    assert set(features) == {"text"}


def test_nothing_to_read_at_all_is_an_error():
    conversations = Conversations([Utterance("d", "0", "A", audio="/nowhere.wav")], [])
    with pytest.raises(AudioError, match=r"none of the 1 recordings can be read; the first: /nowhere\.wav"):
        extract_features(conversations, {"audio": AudioFeatures()})


def test_states_survive_a_folder(tmp_path: Path):
    text = TfidfSvd(dim=2).fit(["so glad", "so sad"])
    save_extractors(tmp_path, {"audio": AudioFeatures(22_050).state(), "text": text.state()})
    states = load_states(tmp_path)
    assert load_extractor(states["audio"]).sample_rate == 22_050
    np.testing.assert_array_equal(load_extractor(states["text"]).extract(["sad"]), text.extract(["sad"]))
    assert load_states(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"kind": "openSMILE"}, "expected a kind of librosa, tfidf, sentence-transformers, hf, got 'openSMILE'"),
        ({}, "got None"),
        ({"kind": "librosa"}, "expected 'sample_rate' of a librosa extractor, got kind"),
    ],
)
def test_a_wrong_state_is_refused(state: dict, message: str):
    with pytest.raises(ValueError, match=message):
        load_extractor(state)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("content", ["malicious", b"", b"garbage", [1, 2]])
def test_a_file_of_anything_else_is_refused_and_runs_nothing(content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / "extractors.pt").write_bytes(content)
    else:
        torch.save({"audio": Bomb()} if content == "malicious" else content, tmp_path / "extractors.pt")
    with pytest.raises(ValueError, match=r"extractors\.pt: expected extractors that graphml features wrote"):
        load_states(tmp_path)
    assert not Path("exploded").exists()
