import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the module `tiny` importable here and in the processes of runs, and work in a folder of its own."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study of two variants of the tiny task."""
    path = tmp_path / "tiny.yaml"
    path.write_text("""
study: tests/tiny
config:
  trainer: {max_epochs: 2, accelerator: cpu, enable_model_summary: false}
  model: {class_path: tiny.TinyTask, init_args: {lr: 1e-2}}
  data: {class_path: tiny.TinyData}
variants:
  narrow:
  wide: {model: {init_args: {width: 9}}}
""")
    return path
