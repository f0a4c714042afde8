import subprocess
import sys
import time

import pytest

from graphml import __version__
from graphml.cli import main

HEAVY = ("torch", "pytorch_lightning", "jsonargparse", "torch_geometric", "matplotlib", "sklearn", "numpy")


def fresh_interpreter(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_answer_at_once_without_torch(option: str) -> None:
    code = f"""
import sys
from graphml.cli import main
try:
    main([{option!r}])
except SystemExit as stop:
    print("status", stop.code)
print("loaded", sorted(set({HEAVY}) & set(sys.modules)))
"""
    start = time.perf_counter()
    done = fresh_interpreter(code)
    assert time.perf_counter() - start < 5  # an import of torch and Lightning alone takes longer
    assert "status 0\nloaded []" in done.stdout, done.stdout + done.stderr


def test_study_help_needs_no_torch_either() -> None:
    done = fresh_interpreter("""
import sys
from graphml.cli import main
try:
    main(["study", "--help"])
except SystemExit:
    print("torch" in sys.modules)
""")
    assert "--seeds" in done.stdout
    assert done.stdout.endswith("False\n"), done.stderr


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("fit", "validate", "test", "predict", "study"):
        assert f"\n  {command} " in text


def test_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "graphml", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == f"graphml {__version__}\n"
    assert done.returncode == 0


@pytest.mark.parametrize("args", [[], ["train"]])
def test_wrong_command_exits_with_2_and_says_so(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_arguments_come_from_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["graphml", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
