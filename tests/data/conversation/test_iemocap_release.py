"""The release of IEMOCAP: a small generated tree, and each way in which a copy can be broken."""

import warnings
from pathlib import Path

import pytest

from graphml.data.conversation import FolderError, read_iemocap_release

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def evaluation(dialogue: str, *turns: tuple[str, float, str]) -> str:
    """An evaluation file: for each turn its line and what the annotators said, which is not read."""
    lines = [
        f"[{start:.4f} - {start + 1.5:.4f}]\t{dialogue}_{turn}\t{label}\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        for turn, start, label in turns
    ]
    return HEADER + "".join(lines)


def add(root: Path, session: int, dialogue: str, *turns: tuple[str, float, str]) -> None:
    folder = root / f"Session{session}"
    for name in ("dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{dialogue}"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "dialog/EmoEvaluation" / f"{dialogue}.txt").write_text(evaluation(dialogue, *turns))
    sentences = [f"{dialogue}_{turn} [{start:08.4f}-{start + 1.5:08.4f}]: It's {turn}.\n" for turn, start, _ in turns]
    text = "M: Not a turn.\n" + f"{dialogue}_MXX0 [000.0-001.0]: Hm.\n" + "".join(sentences)
    (folder / "dialog/transcriptions" / f"{dialogue}.txt").write_text(text)
    for turn, _, _ in turns:
        (folder / "sentences/wav" / dialogue / f"{dialogue}_{turn}.wav").touch()


@pytest.fixture
def release(tmp_path) -> Path:
    add(
        tmp_path,
        1,
        "Ses01F_impro01",
        ("F000", 6.29, "neu"),
        ("F001", 20.0, "hap"),
        ("M000", 10.0, "xxx"),
        ("M001", 15.0, "fru"),
    )
    add(tmp_path, 1, "Ses01M_impro01", ("M000", 1.0, "ang"))
    add(tmp_path, 2, "Ses02F_impro01", ("F000", 1.0, "exc"))
    add(tmp_path, 3, "Ses03F_impro01", ("F000", 1.0, "sad"), ("F001", 4.0, "sur"), ("F002", 6.0, "xxx"))
    add(tmp_path, 4, "Ses04F_impro01", ("F000", 1.0, "neu"))
    add(tmp_path, 5, "Ses05M_script01_1b", ("M000", 1.0, "hap"), ("F000", 9.5, "neu"))
    folder = tmp_path / "Session1/dialog/EmoEvaluation"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\0\5\x16\7")  # left by macOS in the archive
    (folder / "Categorical").mkdir()
    return tmp_path


def test_the_release(release):
    left_out = (
        r"IEMOCAP: 3 utterances are left out, .* none of the six \(2 xxx, 1 sur\); .* keep 53 of the xxx .* happy$"
    )
    with pytest.warns(UserWarning, match=left_out):
        read = read_iemocap_release(release)
    assert read.dialogues == [
        *("Ses01M_impro01", "Ses03F_impro01"),  # COSMIC's validation dialogues come first
        *("Ses01F_impro01", "Ses02F_impro01", "Ses04F_impro01", "Ses05M_script01_1b"),
    ]
    assert [read.split(split).tolist() for split in ("train", "val", "test")] == [[0, 1, 2, 3, 4], [], [5]]
    turns = [u for u in read.utterances if u.dialogue == "Ses01F_impro01"]
    assert [(u.utterance[-4:], u.speaker, u.start, u.end, u.text, u.label) for u in turns] == [
        ("F000", "Ses01_F", 6.29, 7.79, "It's F000.", "neutral"),
        ("M001", "Ses01_M", 15.0, 16.5, "It's M001.", "frustrated"),  # in the order spoken, not that of the file
        ("F001", "Ses01_F", 20.0, 21.5, "It's F001.", "happy"),
    ]
    assert turns[0].audio == str((release / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav").resolve())
    assert [u.speaker for u in read.utterances if u.split == "test"] == ["Ses05_M", "Ses05_F"]


def test_transcriptions_in_cp1252(release):
    file = release / "Session4/dialog/transcriptions/Ses04F_impro01.txt"
    file.write_bytes(b"Ses04F_impro01_F000 [001.0000-002.5000]: It\x92s caf\xe9.\r\n")
    with pytest.warns(UserWarning, match="left out"):
        read = read_iemocap_release(release)
    assert [u.text for u in read.utterances if u.dialogue == "Ses04F_impro01"] == ["It\u2019s café."]


def test_what_is_missing_is_counted(release):
    (release / "Session2").rename(release / "elsewhere")
    (release / "Session4/dialog/transcriptions/Ses04F_impro01.txt").unlink()
    for file in (release / "Session5/sentences/wav").rglob("*.wav"):
        file.unlink()
    expected = (
        "missing: 1 sessions; missing: 1 utterances without a sentence; missing: 2 utterances without a recording"
    )
    with pytest.warns(UserWarning, match=expected):
        read = read_iemocap_release(release)
    assert [u.audio for u in read.utterances if u.split == "test"] == ["", ""]


def test_nothing_is_said_where_nothing_is_left_out(tmp_path):
    for session in range(1, 6):
        add(tmp_path, session, f"Ses0{session}F_impro01", ("F000", 1.0, "neu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_iemocap_release(tmp_path).utterances) == 5


LINE = "[1.0000 - 2.5000]\tSes04F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n"
WRONG = {
    "an unknown label": LINE.replace("neu", "bored"),
    "an end before its start": LINE.replace("[1.0000", "[3.0000"),
    "spaces for tabs": LINE.replace("\t", " "),
    "another dialogue": LINE.replace("Ses04F_impro01", "Ses04F_impro02"),
    "no time": LINE.replace("1.0000", "one"),
    "a line cut off": LINE[:40],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lines_are_named(release, case):
    (release / "Session4/dialog/EmoEvaluation/Ses04F_impro01.txt").write_text(HEADER + WRONG[case])
    with pytest.raises(FolderError, match=r"Ses04F_impro01\.txt, line 3: expected"):
        read_iemocap_release(release)


def test_an_utterance_twice_is_named(release):
    (release / "Session4/dialog/EmoEvaluation/Ses04F_impro01.txt").write_text(HEADER + LINE * 2)
    with pytest.raises(FolderError, match="expected each utterance once"):
        read_iemocap_release(release)


def test_folders_that_hold_no_release_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folders Session1 to Session5"):
        read_iemocap_release(tmp_path)
    (tmp_path / "Session1").mkdir()
    with pytest.raises(FolderError, match=r"Session1: expected dialog/EmoEvaluation/Ses\*\.txt, got none"):
        read_iemocap_release(tmp_path)
