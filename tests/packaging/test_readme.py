"""The README can be followed: its commands exist, its configs are there, and CI finds its test command."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from graphml.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
READMES = [ROOT / "README.md", *sorted((ROOT / "experiments").rglob("README.md"))]


def bash_lines(text: str) -> list[str]:
    """Commands of the bash blocks of a page, continued lines joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def commands() -> list[list[str]]:
    """Words after `graphml` (or `python -m graphml`) of each such command in the README and in the studies' pages."""
    lines = [line for page in READMES for line in bash_lines(page.read_text())]
    calls = [re.match(r"(?:\w+=\S+ )*(?:python -m )?graphml (.*)", line) for line in lines]
    return [shlex.split(call[1], comments=True) for call in calls if call]


def configs(words: list[str]) -> list[str]:
    """The config files that a command names: after --config, and the study's own."""
    named = [after for word, after in itertools.pairwise(words) if word in ("--config", "study")]
    return named + [word.removeprefix("--config=") for word in words if word.startswith("--config=")]


def test_the_readme_shows_commands() -> None:
    assert commands()


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_exists_and_its_configs_are_there(words: list[str]) -> None:
    if words[0] not in ("--help", "--version"):
        build_parser().parse_args(words)  # leaves with status 2 if there is no such command
    for config in configs(words):
        assert (ROOT / config).is_file(), f"{config} is not in the repository"


@pytest.mark.parametrize("page", READMES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_experiment_that_a_page_names_is_there(page: Path) -> None:
    for config in re.findall(r"experiments/[\w./-]+\.(?:yaml|csv|png)", page.read_text()):
        assert (ROOT / config).is_file(), f"{config} is not in the repository"


@pytest.mark.parametrize("page", READMES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_local_link_and_picture_of_a_page_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_ci_finds_the_test_command() -> None:
    block = re.search(r"<!-- command: test -->\s*```bash\n(.*?)```", README, re.DOTALL)
    assert block, "the README marks its test command with <!-- command: test --> before the bash block"
    lines = block[1].splitlines()
    assert lines[-1].startswith("pytest")
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs), "torch is never installed unpinned"
