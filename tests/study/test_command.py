"""Whole studies, in the processes that they start."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from graphml.cli import main
from graphml.study.results import Row, read_rows
from graphml.study.runner import Plan

OUT = Path("runs/tests/tiny")


def run_ids(out: Path = OUT) -> list[tuple[str, int]]:
    return sorted({(row.variant, row.seed) for row in read_rows(out / "results.csv")})


def test_study_writes_everything_and_runs_nothing_twice(
    study_file: Path, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    args = ["study", str(study_file), "--seeds", "2", "--jobs", "2"]
    assert main(args) == 0
    printed = capsys.readouterr()

    with subtests.test("a row a measurement"):
        rows = read_rows(OUT / "results.csv")
        assert run_ids() == [("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1)]
        splits = Counter((row.split, row.metric) for row in rows)
        names = [("public", "test_accuracy"), ("random 20/20/60", "test_accuracy"), ("", "norm")]
        assert splits == dict.fromkeys(names, 4)
        assert all(row.seconds > 0 and row.peak_memory_mib > 50 and "torch 2" in row.versions for row in rows)
        values = {row.seed: row.value for row in rows if row.variant == "wide" and row.split == "public"}
        assert values[0] != values[1]
    with subtests.test("table"):
        assert printed.out == (OUT / "table.md").read_text()
        assert printed.out.count("mean ± std") == 6
        assert "4/4" in printed.err
    with subtests.test("kept beside the numbers"):
        assert yaml.safe_load((OUT / "configs/wide.yaml").read_text())["model"]["init_args"]["width"] == 9
        assert "torch==2" in (OUT / "versions.txt").read_text()
        assert (OUT / "summary.csv").read_text().count("\n") == 7
        assert sorted(path.name for path in (OUT / "figures").iterdir()) == [
            "narrow-training_curve.png",
            "summary.png",
            "wide-training_curve.png",
        ]
        assert len(list(OUT.rglob("*.ckpt"))) == 4
    with subtests.test("resume runs nothing and prints the same"):
        before = (OUT / "results.csv").read_bytes()
        assert main(args) == 0
        assert (OUT / "results.csv").read_bytes() == before
        assert capsys.readouterr().out == printed.out
    with subtests.test("rows of another commit are not mixed in silence"):
        text = (OUT / "results.csv").read_text()
        (OUT / "results.csv").write_text(text.replace("torch 2", "torch 1"))
        assert main([*args, "--seeds", "3", "--variants", "narrow", "--trainer.max_epochs", "2"]) == 0
        assert "rows of another commit or of other package versions" in capsys.readouterr().err
        (OUT / "results.csv").write_text(text)
    with subtests.test("another configuration is refused"):
        assert main([*args, "--model.lr", "0.5"]) == 2
        error = capsys.readouterr().err
        assert "model.init_args.lr" in error
        assert "--overwrite" in error
    with subtests.test("overwrite forgets the chosen variant alone"):
        assert main([*args, "--seeds", "1", "--variants", "wide", "--model.lr", "0.5", "--overwrite"]) == 0
        assert run_ids() == [("narrow", 0), ("narrow", 1), ("wide", 0)]
        assert all(row in rows for row in read_rows(OUT / "results.csv") if row.variant == "narrow")


def test_stopped_study_resumes_to_the_same_table(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_file.write_text(study_file.read_text().replace("max_epochs: 2", "max_epochs: 40"))
    args = ["study", str(study_file), "--seeds", "2", "--variants", "narrow"]
    assert main([*args, "--out", "whole", "--jobs", "2"]) == 0
    whole = capsys.readouterr().out

    command = [sys.executable, "-m", "graphml", *args, "--out", "halves"]
    stopped = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    second_run = Path("halves/narrow/seed-1/log.txt")
    wait_until(second_run.exists)
    stopped.send_signal(signal.SIGKILL)  # nothing can be tidied up
    stopped.communicate()
    assert run_ids(Path("halves")) == [("narrow", 0)]
    wait_until(lambda: not running(second_run))  # a run does not outlive its study

    assert main([*args, "--out", "halves"]) == 0
    resumed = capsys.readouterr()
    assert resumed.out == whole
    assert "50%" in resumed.err  # the first run was not run again
    assert run_ids(Path("halves")) == [("narrow", 0), ("narrow", 1)]


def test_interrupt_ends_the_runs_and_says_how_to_go_on(study_file: Path) -> None:
    command = [sys.executable, "-m", "graphml", "study", str(study_file), "--seeds", "1", "--trainer.max_epochs=100000"]

    def listen() -> None:  # a suite that runs in the background of a shell ignores Ctrl-C, and so would its children
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    study = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    log = OUT / "narrow/seed-0/log.txt"
    wait_until(log.exists)
    study.send_signal(signal.SIGINT)
    _, error = study.communicate(timeout=60)
    assert study.returncode == 130
    assert "the same command goes on" in error
    assert not running(log)
    assert run_ids() == []


def test_failed_runs_harm_no_other(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    modes = "  {0}: {{model: {{init_args: {{mode: {1} on 0}}}}}}\n"
    study_file.write_text(study_file.read_text() + modes.format("raises", "raise") + modes.format("dies", "die"))
    assert main(["study", str(study_file), "--seeds", "1", "--variants", "dies", "raises", "narrow"]) == 1
    out, err = capsys.readouterr()
    assert run_ids() == [("narrow", 0)]
    assert "2 of 3 runs failed: raises seed 0, dies seed 0" in err
    assert "failed: raises seed 0: RuntimeError: seed 0 is unlucky" in err
    assert "mean ± std" in out
    assert "Traceback" in (OUT / "raises/seed-0/error.txt").read_text()
    assert "status -9" in (OUT / "dies/seed-0/error.txt").read_text()


def test_only_runs_without_rows_are_missing_seed_by_seed() -> None:
    plan = Plan("s", "fit", {"a": {}, "b": {}}, ("a", "b"), (3, 4), Path("out"))
    done = [Row("s", "a", 3, "", "loss", 1.0, 1.0, 1.0, "", "")]
    missing = plan.missing_runs(done)
    assert [run.label for run in missing] == ["b seed 3", "a seed 4", "b seed 4"]
    assert [run.figures for run in missing] == [True, False, False]
    assert missing[0].folder == "out/b/seed-3"


def test_missing_dataset_skips_the_study(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(study_file), "--seeds", "2", "--data.root", "absent"]) == 3
    assert "skipped: " in (error := capsys.readouterr().err)
    assert "no dataset in" in error
    assert not (OUT / "results.csv").exists()


def test_folder_of_another_study_is_refused(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    OUT.mkdir(parents=True)
    header = "study,variant,seed,split,metric,value,seconds,peak_memory_mib,versions,commit"
    others = f"{header}\nother,narrow,0,,loss,1,1,1,,\n"
    (OUT / "results.csv").write_text(others)
    for more in ([], ["--overwrite"]):
        assert main(["study", str(study_file), *more]) == 2
        assert "holds the study other, not tests/tiny: use another --out" in capsys.readouterr().err
        assert (OUT / "results.csv").read_text() == others


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_folder_in_use_is_refused(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    OUT.mkdir(parents=True)
    with (OUT / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["study", str(study_file)]) == 2
    assert "another process is at work in" in capsys.readouterr().err


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def running(log: Path) -> bool:
    """Whether a process still has the log of its run open."""
    target = str(log.resolve())
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if os.readlink(process / "fd/1") == target:
                    return True
            except OSError:
                continue
    return False
