"""Annotation files of MELD and EmoryNLP: small ones with each oddity, broken ones, and the counts of the real ones."""

import collections
import math
from pathlib import Path

import numpy as np
import pytest

from graphml.data.conversation import (
    MELD_CLASSES,
    FolderError,
    read_emorynlp,
    read_feature_pickle,
    read_folder,
    read_meld,
    write_folder,
)

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
TRAIN = [
    HEADER,
    '1,"Well, I\u2019m here.",Ross,joy,positive,0,1,8,21,"00:16:21,940","00:16:23,442"',
    '2,What?,Monica,surprise,negative,0,0,8,21,"0:16:16,059","0:16:21,731"',
    '3,Nothing.,Ross,neutral,neutral,1,0,8,21,"00:00:09,000","00:00:10,000"',
    '4,Oh.,Monica,neutral,neutral,1,4,8,21,"00:00:05,000","00:00:06,000"',
]
OTHER = [HEADER, '1,Hi.,Joey,anger,negative,0,0,1,1,"01:00:00,000","01:00:01,000"']


def save(folder: Path, train: list[str] = TRAIN, encoding: str = "utf-8") -> Path:
    for split, lines in {"train": train, "dev": OTHER, "test": OTHER}.items():
        (folder / f"{split}_sent_emo.csv").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return folder


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_utterances_in_their_order_in_each_encoding(tmp_path, encoding):
    read = read_meld(save(tmp_path, encoding=encoding))
    assert read.classes == MELD_CLASSES
    assert read.dialogues == ["train_dia0", "train_dia1", "dev_dia0", "test_dia0"]
    assert [read.split(split).tolist() for split in ("train", "val", "test")] == [[0, 1], [2], [3]]
    first, second = read.utterances[:2]  # the other way round in the file
    assert first[:6] == ("train_dia0", "utt0", "Monica", 0, 5.672, "What?")
    assert second[:6] == ("train_dia0", "utt1", "Ross", 5.881, 7.383, "Well, I\u2019m here.")
    assert [u.label for u in read.utterances] == ["surprise", "joy", "neutral", "neutral", "anger", "anger"]


def test_times_that_run_backwards_are_unknown(tmp_path):
    read = read_meld(save(tmp_path))
    assert all(math.isnan(u.start) and math.isnan(u.end) for u in read.utterances[2:4])
    write_folder(tmp_path / "folder", read)
    assert read_folder(tmp_path / "folder").dialogues == read.dialogues


def test_files_in_folders_of_their_splits(tmp_path):
    save(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train_sent_emo.csv").rename(tmp_path / "train" / "train_sent_emo.csv")
    assert len(read_meld(tmp_path).dialogues) == 4


def test_clips_by_name_in_the_folder_of_their_split(tmp_path):
    save(tmp_path)
    for folder in ("train/train_splits", "dev_splits_complete", "output_repeated_splits_test"):
        (tmp_path / "clips" / folder).mkdir(parents=True)
        (tmp_path / "clips" / folder / "dia0_utt0.mp4").touch()
    with pytest.warns(UserWarning, match=r"3 clips of 6 are missing, the first .*train_splits/dia0_utt1\.mp4"):
        read = read_meld(tmp_path, tmp_path / "clips")
    assert [u.audio.removeprefix(str(tmp_path.resolve())) for u in read.utterances] == [
        "/clips/train/train_splits/dia0_utt0.mp4",
        *("", "", ""),
        "/clips/dev_splits_complete/dia0_utt0.mp4",
        "/clips/output_repeated_splits_test/dia0_utt0.mp4",
    ]
    with pytest.raises(FileNotFoundError, match="no folder train_splits in"):
        read_meld(tmp_path, tmp_path)


def changed(column: str, value: str) -> list[str]:
    """The second line of TRAIN with another value."""
    cells = dict(zip(HEADER.split(","), ["2", "What?", "Monica", "surprise", "", "0", "0", "8", "21"], strict=False))
    cells |= {"StartTime": "0:16:16,059", "EndTime": "0:16:21,731"} | {column: value}
    return [HEADER, ",".join(f'"{cells[name]}"' for name in HEADER.split(","))]


WRONG = {
    "a missing column": ([HEADER.replace("Dialogue_ID,", "")], "missing Dialogue_ID"),
    "no line": ([], "missing Utterance, Speaker"),
    "no utterance": ([HEADER], "expected at least one utterance"),
    "an unknown emotion": (changed("Emotion", "bored"), "line 2: expected one of the emotions neutral, .* got 'bored'"),
    "no speaker": (changed("Speaker", ""), "line 2: expected a speaker"),
    "no number": (changed("Utterance_ID", "x"), "expected a whole number as Utterance_ID, got 'x'"),
    "another time": (changed("StartTime", "16:16"), "expected a time as HH:MM:SS,mmm, got '16:16'"),
    "twice": ([*TRAIN, TRAIN[-1]], "line 6: expected each utterance once, got train_dia1/utt4 twice"),
    "more fields": ([*TRAIN, "5,Hi, you,Ross,joy,,2,0,1,1,0:00:00,0:00:00"], "line 6: expected as many fields"),
    "fewer fields": ([*TRAIN, "5,Hi"], "line 6: expected as many fields"),
    "an open quote": ([*TRAIN, '5,"Hi'], "unexpected end of data"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_named(tmp_path, case):
    lines, message = WRONG[case]
    with pytest.raises(FolderError, match=rf"train_sent_emo\.csv: .*{message}"):
        read_meld(save(tmp_path, lines))


def test_bytes_of_no_encoding_and_missing_files_are_named(tmp_path):
    save(tmp_path)
    (tmp_path / "dev_sent_emo.csv").write_bytes(HEADER.encode() + b"\n\x81\x8d\n")
    with pytest.raises(
        FolderError, match=r"dev_sent_emo\.csv, line 2: expected text in UTF-8 or CP1252, got byte 0x81"
    ):
        read_meld(tmp_path)
    (tmp_path / "dev_sent_emo.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no dev_sent_emo\.csv in"):
        read_meld(tmp_path)


def save_emorynlp(folder: Path, speaker: str) -> Path:
    line = f'Hi.,"{speaker}",Joyful,3,1,1,15,00:00:03.795,00:00:05.004'
    for split in ("train", "dev", "test"):
        header = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time"
        (folder / f"emorynlp_{split}_final.csv").write_text(f"{header}\n{line}\n")
    return folder


def test_emorynlp_has_lists_of_speakers_and_scenes_of_episodes(tmp_path):
    read = read_emorynlp(save_emorynlp(tmp_path, "['Ross Geller', 'Joey']"))
    assert read.dialogues == ["train_s1e15_scene3", "dev_s1e15_scene3", "test_s1e15_scene3"]
    assert read.utterances[0][1:6] == ("utt1", "Ross Geller, Joey", 0, 1.209, "Hi.")
    assert read.utterances[0].label == "joyful"
    for wrong in ("['Ross'", "[__import__('os')]", "[{[]}]", "[]"):
        with pytest.raises(FolderError, match="line 2: "):
            read_emorynlp(save_emorynlp(tmp_path, wrong))


@pytest.fixture(scope="module")
def real(data_root):
    return read_meld(data_root.parent / "text")


def test_counts_of_meld(real):
    sizes = [(len(chosen := real.split(split)), real.lengths[chosen].sum()) for split in ("train", "val", "test")]
    assert sizes == [(1038, 9989), (114, 1109), (280, 2610)]
    count = collections.Counter(u.label for u in real.utterances if u.split == "test")
    assert [count[name] for name in real.classes] == [1256, 281, 50, 208, 402, 68, 345]
    assert real.lengths.max() == 33
    assert real.speakers.max() + 1 == 9
    assert len({u.dialogue for u in real.utterances if math.isnan(u.start)}) == 31


def test_meld_by_its_annotations_is_meld_by_its_pickle(real, data_root):
    pickled = read_feature_pickle(data_root.parent / "erc" / "MELD_features_raw1.pkl")
    assert [(u.text, u.label, u.split) for u in real.utterances] == [
        (u.text.strip(), u.label, u.split) for u in pickled.utterances
    ]
    np.testing.assert_array_equal(real.lengths, pickled.lengths)
    np.testing.assert_array_equal(real.speakers, pickled.speakers)
    assert [u.utterance for u in real.utterances] == [f"utt{u.utterance}" for u in pickled.utterances]


def test_counts_of_emorynlp(data_root):
    read = read_emorynlp(data_root.parent / "text")
    sizes = [(len(chosen := read.split(split)), read.lengths[chosen].sum()) for split in ("train", "val", "test")]
    assert sizes == [(659, 7551), (89, 954), (79, 984)]
