"""The file that describes a search."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from jsonargparse import get_loader

from graphml.study_file import StudyConfig, load_study

BASE_KEYS = ("file", "variant")


@dataclass(frozen=True)
class TuneConfig:
    """What is searched, from where, and how.

    Args:
        tune: Name of the search and of its default output folder; parts may be separated by slashes.
        base: ``file``, a study's file (its path from this file's folder), and ``variant``, one of its variants (the
            first by default), whose configuration the search starts from; none for ``run`` and ``config`` alone.
        run: Kind of run, a key of :data:`graphml.study.runs.TRIALS`; with a base it is the base's.
        config: Configuration, laid over the base's.
        search: Settings shared by all variants, see :class:`graphml.federated.tuning.settings.Search`.
        variants: For each variant, settings that replace those of the same name, or nothing.
    """

    tune: str
    search: dict[str, Any]
    base: dict[str, str] | None = None
    run: str = "fit"
    config: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any] | None] = field(default_factory=lambda: {"main": None})

    def __post_init__(self) -> None:
        for name in ("search", "config"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name}: expected options by name, got {getattr(self, name)!r}")
        if self.base is not None and (
            not isinstance(self.base, dict) or "file" not in self.base or self.base.keys() - set(BASE_KEYS)
        ):
            raise ValueError(f"base: expected {' and '.join(BASE_KEYS)}, got {self.base!r}")
        StudyConfig(self.tune, self.config, self.run, self.variants)  # the same rules for names and variants
        for name, settings in self.variants.items():
            if not isinstance(settings, dict | None):
                raise ValueError(f"variants: {name}: expected settings of the search by name, got {settings!r}")


def load_tune(path: Path) -> TuneConfig:
    """Read a search from YAML or JSON, by the same rules as the configuration of a single run.

    Args:
        path: The file.

    Returns:
        The search; the path of its base is taken from the file's folder.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key is unknown, missing, or of a wrong type.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        values = get_loader("yaml")(path.read_text())
        known = [field.name for field in fields(TuneConfig)]
        if not isinstance(values, dict) or "tune" not in values:
            raise ValueError(f"expected a search, with the keys {', '.join(known)}")
        unknown = sorted(values.keys() - set(known))
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; the keys of a search are {', '.join(known)}")
        return TuneConfig(**values)
    except Exception as error:  # the loader raises what its library raises
        raise ValueError(f"{path}: {error}") from error


def base_of(config: TuneConfig, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Kind of run and layers of configuration that a search starts from.

    Args:
        config: The search.
        folder: Folder of its file.

    Raises:
        FileNotFoundError: If the base's file is not there.
        ValueError: If the base has no such variant.
    """
    if config.base is None:
        return config.run, [config.config]
    study = load_study(folder / config.base["file"])
    variant = config.base.get("variant", next(iter(study.variants)))
    if variant not in study.variants:
        raise ValueError(f"base: variant: expected one of {', '.join(study.variants)}, got {variant!r}")
    return study.run, [study.config, study.variants[variant] or {}, config.config]
