"""From the search's file and the command's options to a plan."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from graphml.federated.tuning.settings import Search
from graphml.federated.tuning.space import corners, laid_over
from graphml.study.runs import RUNS, TRIALS, TrialKind
from graphml.tune.tune_file import TuneConfig, base_of, load_tune


@dataclass(frozen=True)
class Plan:
    """A search with everything decided.

    Args:
        name: Name of the search with its variant.
        run: Kind of run.
        config: Full configuration that parameters are laid over.
        search: Settings.
        monitor: Validation metric that is searched by.
        length: Rounds or epochs of a whole trial.
        seeds: How many seeds test the best configuration.
        out: Folder of the results.
        options: Options of this machine, which no stored configuration holds.
    """

    name: str
    run: str
    config: dict[str, Any]
    search: Search
    monitor: str
    length: int
    seeds: int
    out: Path
    options: tuple[str, ...]

    @property
    def kind(self) -> TrialKind:
        """What is known of the kind of run."""
        return TRIALS[self.run]

    @property
    def unit(self) -> str:
        """What the budget counts."""
        return "epochs" if self.run == "fit" else "rounds"

    @property
    def minimise(self) -> bool:
        """Whether the lowest value is the best."""
        return self.monitor.endswith("loss")

    @property
    def told(self) -> dict[str, Any]:
        """All that the trials depend on, and nothing that only says how many there are."""
        search = asdict(replace(self.search, trials=1, budget=None))
        return {"tune": self.name, "run": self.run, "config": self.config, "search": search}


def make_plan(options: argparse.Namespace, overrides: Sequence[str] = ()) -> Plan:
    """Read the file, choose the variant, and resolve its configuration.

    Args:
        options: What :func:`graphml.tune.command.build_parser` parsed.
        overrides: Options for every run, as ``graphml fit`` or ``graphml federate`` takes them.

    Returns:
        The plan.

    Raises:
        FileNotFoundError: If a file is not there.
        ModuleNotFoundError: If Optuna is not installed.
        ValueError: If anything in the file or in the options is wrong.
    """
    file = load_tune(options.config)
    variant = next(iter(file.variants)) if options.variant is None else options.variant
    if variant not in file.variants:
        raise ValueError(f"--variant: expected one of {', '.join(file.variants)}, got {variant!r}")
    run, layers = base_of(file, options.config.parent)
    if run not in TRIALS:
        raise ValueError(f"{options.config}: run: expected one of {', '.join(TRIALS)}, got {run!r}")
    local = () if options.root is None else (f"--data.root={Path(options.root).absolute()}",)
    resolve = RUNS[run].resolve
    resolve(layers, [*overrides, *local])  # a wrong --data.root is found now, not by every trial
    config = resolve(layers, overrides)
    search = _search(file, variant, options)
    for parameters in corners(search.space):
        _check(resolve, laid_over(config, parameters), parameters)
    return Plan(
        name=f"{file.tune}/{variant}",
        run=run,
        config=config,
        search=search,
        monitor=_monitor(run, config, search),
        length=_length(run, config),
        seeds=options.seeds,
        out=options.out or Path("runs") / "tune" / file.tune / variant,
        options=local,
    )


def _search(file: TuneConfig, variant: str, options: argparse.Namespace) -> Search:
    given = {"trials": options.trials, "budget": options.budget}
    told = {name: value for name, value in given.items() if value is not None}
    values = file.search | (file.variants[variant] or {}) | told
    known = [field.name for field in fields(Search)]
    unknown = sorted(values.keys() - set(known))
    if unknown or "space" not in values:
        told_keys = f"unknown key {', '.join(unknown)}" if unknown else "expected a space"
        raise ValueError(f"search: {told_keys}; the keys of a search are {', '.join(known)}")
    return Search(**values)


def _check(resolve: Any, config: dict[str, Any], parameters: dict[str, Any]) -> None:
    try:
        resolve([config], ())
    except ValueError as error:
        tried = ", ".join(f"{key} {value!r}" for key, value in parameters.items())
        raise ValueError(f"space: {tried}: {error}") from error


def _monitor(run: str, config: dict[str, Any], search: Search) -> str:
    monitor = search.monitor or TRIALS[run].monitor(config)
    if monitor is None or not monitor.startswith("val"):
        raise ValueError(f"monitor: expected a metric of the validation data for a search, got {monitor!r}")
    return monitor


def _length(run: str, config: dict[str, Any]) -> int:
    value: Any = config
    for key in TRIALS[run].length.split("."):
        value = value[key]
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{TRIALS[run].length}: expected at least 1 for a search, got {value!r}")
    return value
