import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphml.cli import main

Save = Callable[..., str]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "annotations.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_checkpoint_and_a_folder_give_a_table_and_a_page(
    save: Save, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["annotate", save("good.ckpt"), str(folder), "--out", str(out)]) == 0
    table = rows(out)
    given = ["dialogue", "utterance", "speaker", "start", "end", "text", "emotion"]
    emotions = ["happy", "sad", "neutral", "angry", "excited", "frustrated"]
    scores = ["confidence", "uncertainty", "aleatoric", "epistemic", "label"]
    assert list(table[0]) == [*given, *(f"p_{name}" for name in emotions), *scores]
    assert len(table) == 39
    for row in table:
        p = {name: float(row[f"p_{name}"]) for name in emotions}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert float(row["confidence"]) == p[row["emotion"]] == max(p.values())
        assert float(row["uncertainty"]) == pytest.approx(float(row["aleatoric"]) + float(row["epistemic"]), abs=2e-6)
    assert table[1]["text"].startswith("</script>")
    assert (out / "annotations.html").read_text().startswith("<!doctype html>")
    assert "39 utterances of 3 dialogues: Monte-Carlo dropout, 20 passes" in capsys.readouterr().out


def test_same_seed_same_files_and_several_checkpoints_are_an_ensemble(save: Save, folder: Path, tmp_path: Path) -> None:
    checkpoints = [save("a.ckpt"), save("b.ckpt", seed=1)]
    for name, arguments in {"1": checkpoints[:1], "2": checkpoints[:1], "both": checkpoints}.items():
        assert main(["annotate", *arguments, str(folder), "--samples", "5", "--out", str(tmp_path / name)]) == 0
    for name in ("annotations.csv", "annotations.html"):
        texts = [(tmp_path / run / name).read_bytes() for run in ("1", "2", "both")]
        assert texts[0] == texts[1] != texts[2]
    assert b"deep ensemble of 2 models" in (tmp_path / "both" / "annotations.html").read_bytes()


def test_labels_that_the_model_does_not_know_are_kept_in_the_table_and_said(
    save: Save, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = save("two.ckpt", classes=["sad", "bored"])
    assert main(["annotate", checkpoint, str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "the models know sad, bored; the labels angry, excited" in capsys.readouterr().err
    assert {"", "sad", "angry"} <= {row["label"] for row in rows(tmp_path / "out")}


@pytest.mark.parametrize("broken", ["checkpoint", "folder", "empty", "features"])
def test_bad_input_gets_a_clear_error_status_2_and_no_files(
    broken: str, save: Save, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(tmp_path / "absent.ckpt") if broken == "checkpoint" else save("good.ckpt")
    if broken == "empty":
        (folder / "conversations.csv").write_text("dialogue,utterance,speaker\n")
    if broken == "features":
        (folder / "text.npz").unlink()
    place = tmp_path / "nowhere" if broken == "folder" else folder
    expected = {
        "checkpoint": "no checkpoint",
        "folder": "no conversations",
        "empty": "expected at least one utterance, got none",
        "features": "expected features of text, got none",
    }
    assert main(["annotate", checkpoint, str(place), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("graphml annotate: error: ")
    assert expected[broken] in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["only.ckpt"], ["a.ckpt", "folder", "--samples", "-1"]])
def test_wrong_arguments_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["annotate", *arguments])
    assert stop.value.code == 2


def test_help_needs_no_torch() -> None:
    script = """
import sys
from graphml.cli import main
try:
    main(["annotate", "--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "--samples" in done.stdout
    assert done.stdout.endswith("False\n"), done.stderr
