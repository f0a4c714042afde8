"""One door: each kind of conversations is recognised, and nothing else."""

import pickle

import pytest

from graphml.data.conversation import (
    Conversations,
    FolderError,
    PickleFileError,
    Utterance,
    read_conversations,
    write_folder,
)

EMORYNLP = (
    "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time\n"
    "Hi.,['Joey'],Mad,1,1,1,1,00:00:00.000,00:00:01.000\n"
)
MELD = (
    "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"
    'Hi.,Joey,joy,0,0,"00:00:00,000","00:00:01,000"\n'
)


def save_all(folder, name, content):
    for split in ("train", "dev", "test"):
        (folder / name.format(split)).write_text(content)


def test_interchange_folder_and_table(tmp_path):
    write_folder(tmp_path, Conversations([Utterance("a", "0", "Ann")], []))
    assert read_conversations(tmp_path).dialogues == ["a"]
    assert read_conversations(str(tmp_path / "conversations.csv")).dialogues == ["a"]


def test_feature_pickle(tmp_path):
    key = "Ses01F_impro01"
    parts = ({key: ["u"]}, {key: ["F"]}, {key: [0]}, *[{key: [[1.0, 2.0]]}] * 3, {key: [""]}, [key], [])
    for name in ("a.pkl", "a.PICKLE"):
        (tmp_path / name).write_bytes(pickle.dumps(parts))
        assert read_conversations(tmp_path / name).dialogues == [key]
    (tmp_path / "bad.pkl").write_bytes(b"")
    with pytest.raises(PickleFileError, match=r"bad\.pkl"):
        read_conversations(tmp_path / "bad.pkl")


def test_annotations_of_meld_before_those_of_emorynlp(tmp_path):
    save_all(tmp_path, "emorynlp_{}_final.csv", EMORYNLP)
    assert read_conversations(tmp_path).dialogues[0] == "train_s1e1_scene1"
    save_all(tmp_path, "{}_sent_emo.csv", MELD)
    assert read_conversations(tmp_path).dialogues[0] == "train_dia0"
    with pytest.raises(FolderError, match=r"train_sent_emo\.csv: expected the folder that holds this file"):
        read_conversations(tmp_path / "train_sent_emo.csv")


def test_release_of_iemocap(tmp_path):
    folder = tmp_path / "Session5/dialog/EmoEvaluation"
    folder.mkdir(parents=True)
    (folder / "Ses05F_impro01.txt").write_text("[1.0 - 2.0]\tSes05F_impro01_F000\tneu\t[2, 2, 2]\n")
    with pytest.warns(UserWarning, match="4 sessions"):
        assert read_conversations(tmp_path).dialogues == ["Ses05F_impro01"]


def test_everything_else_is_refused_with_what_is_known(tmp_path):
    with pytest.raises(FileNotFoundError, match="no conversations at"):
        read_conversations(tmp_path / "nothing")
    with pytest.raises(FolderError, match=r"expected conversations\.csv, MELD's .* got none of them among no files"):
        read_conversations(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FolderError, match=r"got none of them among notes\.txt"):
        read_conversations(tmp_path)
    with pytest.raises(FolderError, match=r"notes\.txt: expected a \.csv file or a feature pickle"):
        read_conversations(tmp_path / "notes.txt")


def test_real_corpora(data_root):
    assert len(read_conversations(data_root.parent / "text").dialogues) == 1432
    assert len(read_conversations(data_root.parent / "erc" / "IEMOCAP_features.pkl").dialogues) == 151
