"""What is built from the checkout: the wheel holds the package graphml and nothing else of the repository."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the checkout, offline, with folders beside the package that must not slip in."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT / "graphml", copy / "graphml", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in ("tests", "datasets", "experiments", "conda", "runs"):
        (copy / folder).mkdir()
        (copy / folder / "intruder.py").touch()
        (copy / folder / "__init__.py").touch()
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    result = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_only_graphml_ships(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"graphml"}


def test_every_module_ships_and_the_package_is_marked_as_typed(wheel: zipfile.ZipFile) -> None:
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "graphml").rglob("*.py")}
    page = {f"graphml/annotate/page.{kind}" for kind in ("html", "css", "js")}
    assert modules | {"graphml/py.typed"} | page <= set(wheel.namelist())


def test_the_command_and_the_licence_are_in_the_metadata(wheel: zipfile.ZipFile) -> None:
    texts = {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "graphml = graphml.cli:main" in texts["entry_points.txt"]
    assert re.search(r"^Name: graphml-torch$", texts["METADATA"], re.MULTILINE)
    assert re.search(r"^License-Expression: MIT$", texts["METADATA"], re.MULTILINE)
    assert texts["LICENSE"].startswith("MIT License")


def test_the_command_line_of_an_editable_install_sees_no_package_datasets(tmp_path: Path) -> None:
    # From the checkout's own root the folder is seen; from anywhere else only graphml is exposed.
    script = "import importlib.util as u; print(u.find_spec('datasets'))"
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(ROOT) not in result.stdout
