"""conda/environment.yml and conda/meta.yaml name the same packages, with the same floors, as pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Name on conda-forge where it differs from the one on PyPI.
CONDA_NAME = {
    "torch": "pytorch",
    "torch-geometric": "pytorch_geometric",
    "torch-scatter": "pytorch_scatter",
    "soundfile": "pysoundfile",
    "matplotlib": "matplotlib-base",
}
# conda has no extras: what the extra of a package stands for, listed beside it.
EXTRA_HOLDS = {
    ("jsonargparse", "signatures"): {"docstring_parser", "typeshed-client"},
    ("flwr", "simulation"): {"ray-core"},
}


def as_conda(requirements: list[str], extras: bool = True) -> dict[str, set[str]]:
    """Packages by conda-forge's names with their bounds, `{"scipy": {">=1.13"}}`, extras of packages spelt out."""
    result = {}
    for requirement in map(Requirement, requirements):
        result[CONDA_NAME.get(requirement.name, requirement.name)] = {str(bound) for bound in requirement.specifier}
        for extra in requirement.extras if extras else ():
            result.update({name: set() for name in EXTRA_HOLDS[requirement.name, extra]})
    return result


def listed(lines: list[str]) -> dict[str, set[str]]:
    """The same of a conda list, without Python and pip."""
    pairs = (line.partition(" ") for line in lines)
    return {name: set(filter(None, bounds.split(","))) for name, _, bounds in pairs if name not in ("python", "pip")}


REQUIRED = as_conda(PROJECT["dependencies"])
FEATURES = [r for name, extra in PROJECT["optional-dependencies"].items() if name != "dev" for r in extra]
ENVIRONMENT = yaml.safe_load((ROOT / "conda" / "environment.yml").read_text())
RECIPE = yaml.safe_load((ROOT / "conda" / "meta.yaml").read_text())


def test_the_environment_holds_the_required_packages_and_every_extra() -> None:
    packages = listed(ENVIRONMENT["dependencies"])
    assert packages.pop("pytest") == {">=9"}
    assert packages == REQUIRED | as_conda(FEATURES)
    assert ENVIRONMENT["channels"] == ["conda-forge"]


def test_the_recipe_runs_on_the_required_packages_and_bounds_the_extras() -> None:
    assert listed(RECIPE["requirements"]["run"]) == REQUIRED
    assert listed(RECIPE["requirements"]["run_constrained"]) == as_conda(FEATURES, extras=False)


def test_the_recipe_is_noarch_and_builds_as_pyproject_does() -> None:
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert RECIPE["build"]["noarch"] == "python"
    assert RECIPE["build"]["entry_points"] == [f"{name} = {path}" for name, path in PROJECT["scripts"].items()]
    assert listed(RECIPE["requirements"]["host"]) == as_conda(build_system["requires"])
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]


@pytest.mark.parametrize("lines", [ENVIRONMENT["dependencies"], *RECIPE["requirements"].values()])
def test_python_is_bounded_as_in_pyproject(lines: list[str]) -> None:
    bounds = [line.removeprefix("python ") for line in lines if line.startswith("python ")]
    assert set(bounds) <= {PROJECT["requires-python"]}
