from pathlib import Path

import pytest

from graphml.bench import command
from graphml.cli import main

GOOD = """
from graphml.bench.measure import compare

def benchmark(quick):
    work = range(100 if quick else 10_000)
    return compare("sum", f"{len(work)} numbers", {"loop": lambda: sum(work), "list": lambda: sum(list(work))}, "loop",
                   {"list": 1e6}, repeats=3)
"""


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    monkeypatch.setattr(command, "folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_all_run_and_missed_goals_are_named(checkout: Path, capsys: pytest.CaptureFixture[str]):
    (checkout / "sums.py").write_text(GOOD)
    assert main(["bench", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "100 numbers" in out
    assert "missed goals:\n  sums: list, sum, 100 numbers:" in out
    assert Path("runs/bench/results.csv").read_text().count("\n") == 3
    assert Path("runs/bench/figures/sums.png").exists()


def test_one_that_fails_does_not_lose_the_others(checkout: Path, capsys: pytest.CaptureFixture[str]):
    (checkout / "bad.py").write_text("def benchmark(quick):\n    raise RuntimeError('out of luck')\n")
    (checkout / "sums.py").write_text(GOOD)
    assert main(["bench", "--out", "here"]) == 1
    printed = capsys.readouterr()
    assert "out of luck" in printed.err
    assert "failed: bad" in printed.err
    assert "10000 numbers" in Path("here/results.csv").read_text()


def test_only_the_named_ones_run(checkout: Path):
    (checkout / "bad.py").write_text("raise RuntimeError\n")
    (checkout / "sums.py").write_text(GOOD)
    assert main(["bench", "sums", "--quick"]) == 0


def test_wrong_name_is_refused_with_the_right_ones(checkout: Path, capsys: pytest.CaptureFixture[str]):
    (checkout / "sums.py").write_text(GOOD)
    with pytest.raises(SystemExit) as stop:
        main(["bench", "sum"])
    assert stop.value.code == 2
    assert "no benchmark sum; there are sums" in capsys.readouterr().err


def test_number_of_threads_must_be_positive(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench", "--threads", "0"])
    assert "expected 1 or more, got 0" in capsys.readouterr().err


def test_an_installed_package_says_that_it_needs_a_checkout(capsys: pytest.CaptureFixture[str]):
    assert main(["bench"]) == 2
    assert "no benchmarks in" in (error := capsys.readouterr().err)
    assert "belong to the checkout" in error
