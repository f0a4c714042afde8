"""The file that describes a study."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from jsonargparse import get_loader

NAME = re.compile(r"[A-Za-z0-9][\w.+=-]*")
RESERVED = ("configs", "figures")  # the study's own folders, beside those of the variants


@dataclass(frozen=True)
class StudyConfig:
    """What is run, in which variants.

    Args:
        study: Name in the rows and of the default output folder; parts may be separated by slashes: ``aswt/cora``.
        config: Configuration shared by all variants.
        run: Kind of run, a key of :data:`graphml.study.runs.RUNS`.
        variants: For each variant a configuration that is laid over the shared one, or nothing.
    """

    study: str
    config: dict[str, Any]
    run: str = "fit"
    variants: dict[str, dict[str, Any] | None] = field(default_factory=lambda: {"main": None})

    def __post_init__(self) -> None:
        for name, kind in (("study", str), ("run", str), ("config", dict), ("variants", dict)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name}: expected a {kind.__name__}, got {getattr(self, name)!r}")
        if not all(NAME.fullmatch(part) for part in self.study.split("/")):
            raise ValueError(f"study: expected letters, digits and _ . + = - in parts joined by /, got {self.study!r}")
        if not self.variants:
            raise ValueError("variants: expected at least one, got none; leave the key out for a single variant")
        for name in self.variants:
            if not NAME.fullmatch(name) or name in RESERVED:
                raise ValueError(
                    f"variants: each becomes a folder, so expected letters, digits and _ . + = - (and neither of "
                    f"{', '.join(RESERVED)}), got {name!r}"
                )


def load_study(path: str | Path) -> StudyConfig:
    """Read a study from YAML or JSON, by the same rules as the configuration of a single run.

    Args:
        path: The file.

    Returns:
        The study.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key is unknown, missing, or of a wrong type.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no study file {path}")
    # Read by the parser's loader (plain YAML 1.1 takes 1e-2 for a string), but not by the parser itself: it would fill
    # in the defaults of each class that it recognises, before the variants are laid over them.
    try:
        values = get_loader("yaml")(Path(path).read_text())
        known = [field.name for field in fields(StudyConfig)]
        unknown = sorted(values.keys() - set(known))
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; the keys of a study are {', '.join(known)}")
        study = StudyConfig(**values)
    except Exception as error:  # the loader raises what its library raises
        raise ValueError(f"{path}: {error}") from error
    return study
