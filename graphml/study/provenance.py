"""Which code made a number."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import graphml

PACKAGES = ("torch", "torch-geometric", "pytorch-lightning", "scikit-learn")


def versions() -> str:
    """Return the versions that a row carries.

    Returns:
        Those of this library, of the packages that its numbers depend on most, and of Python.
    """
    pairs = [f"graphml {graphml.__version__}", *(f"{name} {metadata.version(name)}" for name in PACKAGES)]
    return "; ".join([*pairs, f"python {platform.python_version()}"])


def all_versions() -> str:
    """Return the versions of all installed packages.

    Returns:
        One ``name==version`` a line, sorted, after a first line with that of Python.
    """
    lines = {f"{dist.name}=={dist.version}" for dist in metadata.distributions()}
    return "\n".join([f"# python {platform.python_version()}", *sorted(lines, key=str.lower)]) + "\n"


def commit() -> str:
    """Return the commit of the code that is running.

    Returns:
        Its abbreviated hash, with ``-dirty`` if tracked files have changes; empty if the code is not a checkout.
    """
    package = Path(__file__).parent
    tracked = _git(package, "ls-files", "--error-unmatch", Path(__file__).name)
    return _git(package, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") if tracked else ""


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
