"""``graphml features``: what it writes, what it leaves out, and that an interrupted run goes on."""

from pathlib import Path

import numpy as np
import pytest

from graphml.cli import main
from graphml.data import ConversationDataModule, read_folder, write_features
from graphml.data.features import AudioFeatures, TfidfSvd, extract, load_extractor, load_states


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the recordings that are read."""
    read: list[str] = []
    original = AudioFeatures.extract

    def extract_one(self: AudioFeatures, path: str) -> np.ndarray:
        read.append(Path(path).name)
        return original(self, path)

    monkeypatch.setattr(AudioFeatures, "extract", extract_one)
    return read


def features(*args: object) -> int:
    return main(["features", *map(str, args)])


def test_it_writes_a_folder_and_reports_what_it_left_out(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert features(folder, out, "--text-dim", 3) == 0
    printed = capsys.readouterr()
    assert "text: tfidf is fitted on the 4 training sentences" in printed.out
    assert "text: 3 features of 6 of 6 utterances (tfidf)" in printed.out
    assert "audio: 474 features of 4 of 6 utterances (librosa)" in printed.out
    assert "1 recordings left out:\n" in printed.err
    assert "wav/1.wav: expected audio, got what libsndfile cannot read" in printed.err
    source, made = read_folder(folder), read_folder(out)
    assert made.utterances == source.utterances
    assert np.isnan(made.features["audio"][:, 0]).tolist() == [False, True, False, False, False, True]
    np.testing.assert_array_equal(made.features["audio"][0], AudioFeatures().extract(folder / "wav" / "0.wav"))
    train = [u.text for u in source.utterances if u.split == "train"]
    expected = TfidfSvd(3).fit(train).extract([u.text for u in source.utterances])
    np.testing.assert_array_equal(made.features["text"], expected)


def test_all_sentences_fit_where_there_are_too_few_dialogues_to_split_and_it_says_so(folder, tmp_path, capsys):
    table = folder / "conversations.csv"
    table.write_text(table.read_text().replace(",train", ",").replace(",test", ","))
    assert features(folder, tmp_path / "out", "--audio", "none") == 0
    assert "tfidf is fitted on all 6 sentences: none is for training" in capsys.readouterr().out
    assert set(read_folder(tmp_path / "out").features) == {"text"}
    assert {u.split for u in read_folder(tmp_path / "out").utterances} == {""}


@pytest.fixture
def unsplit(tmp_path: Path) -> Path:
    """Ten dialogues without a split, each with a word of its own."""
    rows = [f"d{d},{n},A,word{d} so glad,{'ab'[n]}" for d in range(10) for n in range(2)]
    (tmp_path / "unsplit.csv").write_text("dialogue,utterance,speaker,text,label\n" + "\n".join(rows) + "\n")
    return tmp_path / "unsplit.csv"


@pytest.mark.parametrize("seed", [None, 0, 3])
def test_a_source_without_a_split_gets_one_that_the_text_is_fitted_on_and_that_training_uses(
    seed: int | None, unsplit, tmp_path, capsys
):
    out = tmp_path / "out"
    assert features(unsplit, out, *([] if seed is None else ["--split-seed", seed])) == 0
    said = f"split at random, 7 train, 1 val, 2 test (--split-seed {seed or 0})"
    assert said in capsys.readouterr().out
    table = read_folder(out)
    train = {u.dialogue for u in table.utterances if u.split == "train"}
    words = {word for word in load_states(out)["text"]["vocabulary"] if word.startswith("word") and " " not in word}
    assert words == {name.replace("d", "word") for name in train}
    used = ConversationDataModule(str(out), split_seed=7).conversations  # a written split goes before any seed
    assert [u.split for u in used.utterances] == [u.split for u in table.utterances]
    own = ConversationDataModule(str(unsplit), split_seed=seed or 0).read()
    assert [u.split for u in own.utterances] == [u.split for u in table.utterances]


def test_conversations_made_like_others_and_those_with_a_split_are_not_split(folder, unsplit, tmp_path, capsys):
    assert features(folder, tmp_path / "out", "--audio", "none") == 0
    assert features(unsplit, tmp_path / "made", "--like", tmp_path / "out") == 0
    assert {u.split for u in read_folder(tmp_path / "made").utterances} == {""}
    assert features(folder, tmp_path / "again", "--split-seed", 1) == 2
    assert "--split-seed 1: expected conversations without a split" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_without_reading_again(folder, tmp_path, counted, monkeypatch, capsys):
    whole = tmp_path / "whole"
    features(folder, whole)
    counted.clear()
    original = AudioFeatures.extract

    def stop_at_3(self: AudioFeatures, path: str) -> np.ndarray:
        if Path(path).name == "3.wav":
            raise KeyboardInterrupt
        return original(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(AudioFeatures, "extract", stop_at_3)
        assert features(folder, tmp_path / "out") == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert counted == ["0.wav", "1.wav", "2.wav"]
    counted.clear()
    assert features(folder, tmp_path / "out") == 0
    assert counted == ["1.wav", "3.wav", "4.wav"]  # what could not be read is tried again
    first, second = read_folder(whole), read_folder(tmp_path / "out")
    np.testing.assert_array_equal(first.features["audio"], second.features["audio"])


def test_a_run_that_dies_loses_what_came_after_the_last_save_only(folder, tmp_path, counted, monkeypatch):
    monkeypatch.setattr(extract, "SAVE_EVERY", 0.0)
    saved = []
    monkeypatch.setattr("graphml.data.features.command.write_features", lambda *args: saved.append(args[2].copy()))
    assert features(folder, tmp_path / "out", "--text", "none") == 0
    assert [int(np.isfinite(table[:, 0]).sum()) for table in saved] == [1, 2, 3, 4, 4]


def test_other_settings_and_other_recordings_are_made_anew(folder, tmp_path, counted):
    out = tmp_path / "out"
    features(folder, out)
    counted.clear()
    features(folder, out, "--sample-rate", 22_050)
    assert counted == ["0.wav", "1.wav", "2.wav", "3.wav", "4.wav"]
    assert load_states(out)["audio"]["sample_rate"] == 22_050
    counted.clear()
    table = folder / "conversations.csv"
    table.write_text(table.read_text().replace("wav/2.wav", "wav/0.wav"))
    features(folder, out, "--sample-rate", 22_050)
    assert counted == ["1.wav", "0.wav"]


def test_new_conversations_get_the_same_extractors(folder, tmp_path, capsys):
    features(folder, tmp_path / "out", "--sample-rate", 22_050, "--text-dim", 2)
    new = tmp_path / "new"
    new.mkdir()
    (new / "conversations.csv").write_text("dialogue,utterance,speaker,text\nz,0,A,so glad\nz,1,B,so sad\n")
    assert features(new, tmp_path / "made", "--like", tmp_path / "out") == 0
    made = read_folder(tmp_path / "made").features
    assert set(made) == {"text"}  # there are no recordings
    expected = load_extractor(load_states(tmp_path / "out")["text"]).extract(["so glad", "so sad"])
    np.testing.assert_array_equal(made["text"], expected)


def test_features_that_the_source_brings_are_kept_unless_asked_otherwise(folder, tmp_path, counted, capsys):
    utterances = read_folder(folder).utterances
    own = np.arange(12, dtype=np.float32).reshape(6, 2)
    for modality in ("visual", "audio"):
        write_features(folder / f"{modality}.npz", utterances, own)
    assert features(folder, tmp_path / "out") == 0
    assert "visual: kept from" in capsys.readouterr().out
    made = read_folder(tmp_path / "out").features
    assert counted == []
    np.testing.assert_array_equal(made["visual"], own)
    np.testing.assert_array_equal(made["audio"], own)
    features(folder, tmp_path / "out", "--audio", "librosa")
    assert read_folder(tmp_path / "out").features["audio"].shape == (6, 474)


def test_no_recording_that_can_be_read_is_an_error_and_the_text_is_there(folder, tmp_path, capsys):
    for file in (folder / "wav").iterdir():
        file.write_bytes(b"")
    assert features(folder, tmp_path / "out") == 1
    assert "none of the 5 recordings can be read; the first: " in capsys.readouterr().err
    assert set(read_folder(tmp_path / "out").features) == {"text"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "bert"], "--text: expected tfidf, sentence-transformers:NAME, hf:NAME or none, got 'bert'"),
        (["--text", "hf:"], "--text: expected tfidf"),
        (["--sample-rate", "4000"], "sample_rate: expected 10000 or more, got 4000"),
        (["--text-dim", "-1"], "expected 1 or more, got -1"),
        (["--like", "nowhere"], "--like nowhere: expected a folder that graphml features wrote"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(options, message, folder, tmp_path, capsys):
    assert features(folder, tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--processes", "0"], "argument --processes: expected 1 or more, got 0"),
        (["--split-seed", "-1"], "argument --split-seed: expected 0 or more, got -1"),
        (["--like", "x", "--split-seed", "1"], "argument --like: FOLDER says how features are made"),
        (["--like", "x", "--text", "tfidf"], "argument --like: FOLDER says how features are made"),
        (["--audio", "opensmile"], "invalid choice: 'opensmile'"),
    ],
)
def test_arguments_that_do_not_go_together_stop_at_once(options, message, folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        features(folder, tmp_path / "out", *options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_source_and_out_must_differ(folder, capsys):
    with pytest.raises(SystemExit):
        features(folder, folder / "." / "wav" / "..")
    assert "argument OUT: expected another folder than SOURCE" in capsys.readouterr().err


def test_a_source_without_recordings_cannot_have_audio_features(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("dialogue,utterance,speaker,text\nz,0,A,so glad\n")
    assert features(tmp_path / "c.csv", tmp_path / "out", "--audio", "librosa") == 2
    assert "--audio librosa: expected conversations with recordings, got none in the source" in capsys.readouterr().err
    assert features(tmp_path / "nowhere", tmp_path / "out") == 2
