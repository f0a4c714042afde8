"""From the study's file and the command's options to a plan."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from graphml.study.runner import Plan
from graphml.study.runs import RUNS
from graphml.study_file import StudyConfig, load_study


def make_plan(options: argparse.Namespace, overrides: Sequence[str] = ()) -> Plan:
    """Read the file, choose the variants and resolve their configurations.

    Args:
        options: What :func:`graphml.study.command.build_parser` parsed.
        overrides: Options for every run, as ``graphml fit`` takes them.

    Returns:
        The plan.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If anything in the file or in the options is wrong.
    """
    study = load_study(options.config)
    if study.run not in RUNS:
        raise ValueError(f"{options.config}: run: expected one of {', '.join(RUNS)}, got {study.run!r}")
    unknown = sorted(set(options.variants or ()) - study.variants.keys())
    if unknown:
        raise ValueError(f"--variants: expected some of {', '.join(study.variants)}, got {', '.join(unknown)}")
    local = () if options.root is None else (f"--data.root={Path(options.root).absolute()}",)
    names = [name for name in study.variants if options.variants is None or name in options.variants]
    return Plan(
        study=study.study,
        run=study.run,
        configs={name: _resolve(study, name, overrides, local) for name in names},
        order=tuple(study.variants),
        seeds=tuple(range(options.first_seed, options.first_seed + options.seeds)),
        out=options.out or Path("runs") / study.study,
        options=local,
        jobs=options.jobs,
        overwrite=options.overwrite,
    )


def _resolve(study: StudyConfig, name: str, overrides: Sequence[str], local: Sequence[str]) -> dict[str, object]:
    layers = [study.config, study.variants[name] or {}]
    resolve = RUNS[study.run].resolve
    try:
        resolve(layers, [*overrides, *local])  # a wrong --data.root is found now, not by every run
        return resolve(layers, overrides)
    except ValueError as error:
        raise ValueError(f"variant {name}: {error}") from error
