"""The interchange folder: what is written is what is read, and each way of getting it wrong is named."""

import codecs
from pathlib import Path

import numpy as np
import pytest

from graphml.data.conversation import Conversations, FolderError, Utterance, read_folder, write_features, write_folder

HEADER = "dialogue,utterance,speaker,start,end,text,audio,label\n"
LINES = ["a,0,Ann,0,1,Hello,,joy\n", 'a,1,Bob,1.5,2,"Hi, there",,sad\n', "b,0,Ann,,,,,\n"]


def save(tmp_path: Path, content: str | bytes) -> Path:
    file = tmp_path / "conversations.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def rows_of(*lines: str) -> str:
    return HEADER + "".join(lines)


def test_what_is_written_is_read(tmp_path):
    (tmp_path / "wav").mkdir()
    inside, outside = str((tmp_path / "wav" / "a.wav").resolve()), "/elsewhere/b.wav"
    utterances = [
        Utterance("a", "0", "Änn", 3600.1234, 3601.5, 'She said "oh, no"\nand left', inside, "joy", "e1 e2", "train"),
        Utterance("a", "1", "Bob", 3602.0, label="sad", split="train"),
        Utterance("b", "0", "Ann", audio=outside, split="test"),
    ]
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    x[1] = np.nan
    written = Conversations(utterances, ["sad", "joy", "never seen"], {"text": x, "audio": -x[:, :1]})
    write_folder(tmp_path, written)
    read = read_folder(tmp_path)
    assert [tuple(map(str, u)) for u in read.utterances] == [tuple(map(str, u)) for u in utterances]
    assert list(read.classes) == list(written.classes)
    assert set(read.features) == {"text", "audio"}
    for name in written.features:
        np.testing.assert_array_equal(read.features[name], written.features[name])
    assert "wav/a.wav" in (tmp_path / "conversations.csv").read_text("utf-8")  # the folder can be moved


def test_a_relative_recording_outside_the_folder_is_written_absolutely(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder("folder", Conversations([Utterance("a", "0", "Ann", audio="b.wav")], []))
    assert read_folder("folder").utterances[0].audio == str(tmp_path.resolve() / "b.wav")


def test_folder_and_its_table_are_the_same(tmp_path):
    folder = save(tmp_path, rows_of(*LINES))
    write_features(folder / "text.npz", read_folder(folder).utterances, np.ones((3, 2), np.float32))
    assert set(read_folder(folder / "conversations.csv").features) == {"text"}


def test_spreadsheets_and_people_write_differently(tmp_path):
    windows = codecs.BOM_UTF8 + rows_of(*LINES, "\n").replace("\n", "\r\n").replace("Ann", " Ann ").encode()
    read = read_folder(save(tmp_path, windows))
    assert [u.speaker for u in read.utterances] == ["Ann", "Bob", "Ann"]
    assert read.utterances[1].text == "Hi, there"
    assert list(read.classes) == ["joy", "sad"]  # sorted, where classes.txt is missing


def test_only_three_columns_are_needed_and_others_are_passed_over(tmp_path):
    read = read_folder(save(tmp_path, "speaker,mood,utterance,dialogue\nAnn,?,0,a\n"))
    assert read.utterances == [Utterance("a", "0", "Ann", *read.utterances[0][3:])]
    assert list(read.classes) == []


def test_classes_from_their_file_and_from_the_caller(tmp_path):
    folder = save(tmp_path, rows_of(*LINES))
    (folder / "classes.txt").write_bytes(codecs.BOM_UTF8 + b"sad\r\njoy\r\n\r\n")
    assert list(read_folder(folder).classes) == ["sad", "joy"]
    assert list(read_folder(folder, ["joy", "fear", "sad"]).classes) == ["joy", "fear", "sad"]
    (folder / "classes.txt").write_bytes(b"d\xe9go\xfbt\n")
    with pytest.raises(FolderError, match=r"classes\.txt, line 1: expected text in UTF-8, got byte 0xe9"):
        read_folder(folder)


WRONG_TABLES = {
    "no table": (None, "expected a CSV file, or a folder that holds"),
    "no line": ("", "missing dialogue, utterance, speaker"),
    "no utterance": (HEADER, "expected at least one utterance"),
    "a missing column": ("dialogue,utterance\na,0\n", "missing speaker"),
    "cp1252 bytes": (
        rows_of(*LINES).encode() + b"b,1,Ann,,,it\x92s,,\n",
        "line 5: expected text in UTF-8, got byte 0x92",
    ),
    "out of order": (rows_of(LINES[1], LINES[0]), "a/0 starts at 0 s, before 1 at 1.5 s. Sort the rows by start"),
    "twice": (rows_of(LINES[0], LINES[0]), "expected each utterance once"),
    "in pieces": (rows_of(LINES[0], LINES[2], LINES[1]), "expected the utterances of a dialogue together"),
    "no speaker": (rows_of("a,0,,,,,,\n"), "line 2: expected a speaker"),
    "a text with a comma": (rows_of("a,0,Ann,0,1,Hello, you,,joy\n"), "line 2: expected as many fields as the header"),
    "a line cut off": (rows_of(LINES[0], "a,1,Bo"), "line 3: expected as many fields as the header"),
    "a quote left open": (rows_of(LINES[0], 'a,1,Bob,1,2,"Hi'), "unexpected end of data"),
    "minutes": (rows_of("a,0,Ann,0:12,1,,,\n"), "line 2: expected start in seconds, got '0:12'"),
    "a negative time": (rows_of("a,0,Ann,-1,1,,,\n"), "expected start in seconds, got '-1'"),
    "an endless time": (rows_of("a,0,Ann,0,inf,,,\n"), "expected end in seconds, got 'inf'"),
    "an end before its start": (rows_of("a,0,Ann,2,1,,,\n"), "expected end >= start, got 2 to 1"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_wrong_tables_are_named(tmp_path, case):
    content, message = WRONG_TABLES[case]
    if content is not None:
        save(tmp_path, content)
    with pytest.raises(FolderError if content is not None else FileNotFoundError, match=message):
        read_folder(tmp_path)


def test_an_unknown_label_is_named_where_classes_are_given(tmp_path):
    folder = save(tmp_path, rows_of(*LINES))
    with pytest.raises(FolderError, match=r"conversations\.csv: a/0: expected one of the emotions sad, got 'joy'"):
        read_folder(folder, ["sad"])


def arrays(**changes) -> dict[str, np.ndarray]:
    names = {"dialogue": np.array(["a", "a", "b"]), "utterance": np.array(["0", "1", "0"])}
    return names | {"features": np.arange(6.0).reshape(3, 2)} | changes


def test_features_are_found_by_name_in_any_order_and_of_any_kind(tmp_path):
    folder = save(tmp_path, "dialogue,utterance,speaker\n1,0,Ann\n1,1,Bob\n2,0,Ann\n")
    np.savez(folder / "visual.npz", dialogue=[2, 1, 9], utterance=[0, 1, 9], features=np.arange(6).reshape(3, 2))
    x = read_folder(folder).features["visual"]  # whole numbers as names and as features, and one row of another corpus
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [[np.nan, np.nan], [2, 3], [0, 1]])


WRONG_FEATURES = {
    "objects": (arrays(features=np.array([[1, "a"], [2, None], [3, 4]], dtype=object)), "allow_pickle=False"),
    "objects as names": (arrays(dialogue=np.array(["a", None, "b"], dtype=object)), "allow_pickle=False"),
    "another name": ({"x": np.ones(3)}, "expected the arrays dialogue, utterance and features"),
    "a vector": (arrays(features=np.ones(3)), r"got \[\[3\], \[3\], \[3\]\]"),
    "too few names": (arrays(dialogue=np.array(["a"])), r"got \[\[1\], \[3\], \[3, 2\]\]"),
    "words": (arrays(features=np.full((3, 2), "a")), "expected features that are real numbers, got <U1"),
    "complex numbers": (arrays(features=np.ones((3, 2), complex)), "real numbers, got complex128"),
    "a name twice": (arrays(utterance=np.array(["0", "0", "0"])), "expected each utterance once, got 1 rows more"),
    "names of another corpus": (arrays(dialogue=np.array(["x", "y", "z"])), r"such as \('a', '0'\), got none of them"),
    "half a row of NaN": (arrays(features=np.array([[1, np.nan], [1, 1], [1, 1]])), "whole row of NaN.*the first a/0"),
    "an infinity": (arrays(features=np.array([[1, np.inf], [1, 1], [1, 1]])), "expected finite numbers"),
}


@pytest.mark.parametrize("case", WRONG_FEATURES)
def test_wrong_features_are_named(tmp_path, case):
    content, message = WRONG_FEATURES[case]
    folder = save(tmp_path, rows_of(*LINES))
    np.savez(folder / "text.npz", **content)
    with pytest.raises(FolderError, match=message):
        read_folder(folder)


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "npy", "text"])
def test_damaged_features_are_named(tmp_path, damage):
    folder = save(tmp_path, rows_of(*LINES))
    file = folder / "text.npz"
    np.savez_compressed(file, **arrays())
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        place = content.find(b"features.npy") + 60  # in the compressed data
        content[place] ^= 0xFF
    if damage == "npy":
        with file.open("wb") as handle:
            np.save(handle, np.ones(3))
    else:
        file.write_bytes(
            {"empty": b"", "truncated": content[: len(content) // 2], "text": b"1,2\n"}.get(damage, content)
        )
    with pytest.raises(FolderError, match=r"text\.npz: expected the arrays"):
        read_folder(folder)


def test_rows_of_nan_in_the_file_are_missing_modalities(tmp_path):
    folder = save(tmp_path, rows_of(*LINES))
    np.savez(folder / "text.npz", **arrays(features=np.array([[1, 2], [np.nan, np.nan], [3, 4]])))
    assert np.isnan(read_folder(folder).features["text"]).all(1).tolist() == [False, True, False]


def test_what_a_killed_writer_left_is_passed_over(tmp_path):
    folder = save(tmp_path, rows_of(*LINES))
    (folder / ".text-0123.npz").write_bytes(b"half")
    assert read_folder(folder).features == {}
