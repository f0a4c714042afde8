"""pyproject.toml and its neighbours say one thing: floors with reasons, exact pins that meet them, one version."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [Requirement(r) for r in [*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra)]]
REQUIRED = {
    "torch",
    "torch-geometric",
    "pytorch-lightning",
    "jsonargparse",
    "torchmetrics",
    "scikit-learn",
    "scipy",
    "networkx",
    "librosa",
    "soundfile",
    "matplotlib",
}


def version() -> str:
    return re.search(r'^__version__ = "(.+)"$', (ROOT / "graphml" / "__init__.py").read_text(), re.MULTILINE)[1]


def pins() -> dict[str, Requirement]:
    lines = [line.partition("#")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pinned = [Requirement(line) for line in lines if line]
    return {canonicalize_name(pin.name): pin for pin in pinned}


def closure(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Names of everything that a requirement installs here, itself included, by the metadata of what is installed."""
    name = canonicalize_name(requirement.name)
    yield name
    for extra in ["", *requirement.extras]:
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            needed = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue
        for child in needed:
            if child.marker is None or child.marker.evaluate({"extra": extra}):
                yield from closure(child, seen)


def test_the_required_packages_and_the_extras_are_those_of_the_design() -> None:
    assert {Requirement(r).name for r in PROJECT["dependencies"]} == REQUIRED
    assert {name: [Requirement(r).name for r in extra] for name, extra in EXTRAS.items() if name != "dev"} == {
        "scatter": ["torch-scatter"],
        "flower": ["flwr"],
        "tune": ["optuna"],
        "privacy": ["opacus", "cryptography"],
        "metis": ["pymetis"],
        "text": ["sentence-transformers"],
        "logging": ["tensorboard"],
    }
    assert {"pytest", "ruff", "mypy"} <= {Requirement(r).name for r in EXTRAS["dev"]}


def test_every_floor_carries_its_reason() -> None:
    floors = [line for line in TEXT.splitlines() if re.search(r'">?[^"#]*>=\d', line)]
    assert len(floors) >= len(REQUIRED)
    assert [line for line in floors if not re.search(r"#\s*\S{3,}", line)] == []


def test_every_required_package_and_feature_has_a_floor() -> None:
    requirements = [*PROJECT["dependencies"], *(r for name, extra in EXTRAS.items() if name != "dev" for r in extra)]
    assert [r for r in requirements if ">=" not in r] == []


def test_constraints_are_exact_pins_without_local_suffix() -> None:
    for name, pin in pins().items():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), f"{name}: {pin}"
    assert str(pins()["torch"].specifier) == "==2.13.0"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_constraints_meet_the_floors(requirement: Requirement) -> None:
    pin = pins().get(canonicalize_name(requirement.name))
    if pin is not None:
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_constraints_hold_the_whole_development_set() -> None:
    roots = [Requirement(text) for text in [*PROJECT["dependencies"], *EXTRAS["dev"]]]
    seen: set[tuple[str, str]] = set()
    names = {name for root in roots for name in closure(root, seen)}
    # the CUDA builds of torch bring packages that the CPU build, which CI uses, does not
    assert {name for name in names - set(pins()) if not re.match(r"nvidia-|cuda-|triton$", name)} == set()


def test_the_version_has_one_source_and_its_copies_agree() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert tomllib.loads(TEXT)["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "graphml.__version__"}
    assert str(Version(version())) == version()
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == version()
    assert yaml.safe_load((ROOT / "conda" / "meta.yaml").read_text())["package"]["version"] == version()
    assert f"## [{version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_citation_names_the_work_that_the_library_builds_on() -> None:
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    titles = {reference["title"].split(":")[0] for reference in references}
    assert titles >= {"ASWT-SGNN", "DER-GCN", "FederatedScope-GNN"}


def test_the_licence_is_mit_everywhere() -> None:
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"] == "MIT"
