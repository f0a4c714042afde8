"""The map of the package: which way imports point, what no layer may import, and no assert on what a user passes."""

import ast
import itertools
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "graphml").rglob("*.py"))

# Each part of the package, and what it may import besides itself. A new part is entered here.
MAY_IMPORT = {"io": set(), "ops": set(), "parser": set(), "study_file": set()}
MAY_IMPORT["spectral"] = {"ops"}
MAY_IMPORT["losses"] = {"ops"}
MAY_IMPORT["metrics"] = {"ops"}
MAY_IMPORT["nn"] = {"ops", "spectral", "losses"}
MAY_IMPORT["models"] = MAY_IMPORT["nn"] | {"nn"}
MAY_IMPORT["data"] = {"io", "ops", "spectral"}
MAY_IMPORT["evaluation"] = MAY_IMPORT["models"] | {"io", "metrics", "models", "data"}
MAY_IMPORT["tasks"] = MAY_IMPORT["evaluation"] | {"evaluation"}
MAY_IMPORT["federated"] = MAY_IMPORT["tasks"] | {"tasks", "parser"}
MAY_IMPORT["plots"] = MAY_IMPORT["tasks"] | {"tasks", "federated"}
MAY_IMPORT["callbacks"] = {"io"}
MAY_IMPORT["lightning_cli"] = MAY_IMPORT["plots"] | {"plots", "callbacks", "parser"}
MAY_IMPORT["federate"] = MAY_IMPORT["lightning_cli"] | {"lightning_cli", "study_file"}
MAY_IMPORT["study"] = MAY_IMPORT["federate"] | {"federate"}
MAY_IMPORT["audit"] = MAY_IMPORT["study"] | {"study"}
MAY_IMPORT["tune"] = MAY_IMPORT["study"] | {"study"}
MAY_IMPORT["bench"] = {"io", "plots", "study"}
MAY_IMPORT["annotate"] = {"io", "ops", "data", "evaluation", "tasks"}
MAY_IMPORT["cli"] = MAY_IMPORT["study"] | {"study", "tune", "audit", "bench", "annotate", "federate"}
MAY_IMPORT["__main__"] = {"cli"}

LIGHT = {"ops", "spectral", "losses", "metrics", "nn", "models"}
HEAVY = {"pytorch_lightning", "librosa", "soundfile", "matplotlib", "flwr"}

# Modules that no requirement names, because a required package brings them.
BROUGHT_BY = {
    "filelock": "torch",
    "lightning_fabric": "pytorch-lightning",
    "numpy": "torch-geometric",
    "psutil": "torch-geometric",
    "threadpoolctl": "scikit-learn",
    "tqdm": "torch-geometric",
    "transformers": "sentence-transformers",
    "yaml": "jsonargparse",
}
MODULE_OF = {"scikit-learn": "sklearn"}  # where it is not the distribution's name with underscores


def part_of(file: Path) -> str:
    """Part of the package that a file belongs to: `nn` for graphml/nn/wavelet_conv.py, `cli` for graphml/cli.py."""
    return file.relative_to(ROOT / "graphml").parts[0].removesuffix(".py")


def imports_of(file: Path) -> Iterator[str]:
    """Dotted name of each import of a file, those inside functions too (`from graphml import nn` is graphml.nn)."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def each_file(function):
    return pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))(function)


@each_file
def test_imports_point_down_the_layers(file: Path) -> None:
    part = part_of(file)
    if part == "__init__":
        return
    assert part in MAY_IMPORT, f"enter {part!r} in MAY_IMPORT with what it may import"
    targets = {name.split(".")[1] for name in imports_of(file) if name.startswith("graphml.")} - {"__version__"}
    assert targets <= MAY_IMPORT[part] | {part}


@each_file
def test_light_layers_import_nothing_heavy_and_nobody_imports_lightning(file: Path) -> None:
    packages = {name.split(".")[0] for name in imports_of(file)}
    assert "lightning" not in packages, "import pytorch_lightning: `lightning` defines other classes of the same names"
    if part_of(file) in LIGHT:
        assert not packages & HEAVY


@each_file
def test_no_assert_in_the_package(file: Path) -> None:
    lines = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
    assert lines == [], "raise ValueError or TypeError instead: python -O drops an assert"


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    names = {
        re.split(r"[>\[]", requirement)[0] for requirement in [*project["dependencies"], *itertools.chain(*extras)]
    }
    declared = {MODULE_OF.get(name, name.replace("-", "_")) for name in names}
    imported = {name.split(".")[0] for file in FILES for name in imports_of(file)}
    assert imported - set(sys.stdlib_module_names) - declared - set(BROUGHT_BY) <= {"graphml", "triton"}


def test_datasets_holds_no_package() -> None:
    assert not list((ROOT / "datasets").rglob("__init__.py"))
