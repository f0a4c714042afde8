"""The run of kind ``fit``: ``graphml fit``, then ``graphml test`` on the checkpoint that it left."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import capture_parser
from pytorch_lightning.callbacks import ModelCheckpoint

from graphml.lightning_cli import GraphmlCLI
from graphml.parser import UsageError
from graphml.study.results import Measurement


def resolve_fit(configs: Sequence[dict[str, Any]], options: Sequence[str]) -> dict[str, Any]:
    """Return the full configuration that ``graphml fit --config A --config B OPTIONS`` would run with.

    Args:
        configs: Configurations, each laid over those before it.
        options: Command line options, laid over them all.

    Returns:
        The configuration with all defaults written out.

    Raises:
        ValueError: If a key or an option is wrong.
    """
    parser = capture_parser(GraphmlCLI, ["fit"])
    try:
        parsed = parser.parse_args(["fit", *(f"--config={json.dumps(config)}" for config in configs), *options])
    except UsageError as error:
        raise ValueError(str(error)) from error
    resolved: dict[str, Any] = yaml.safe_load(parser.dump(parsed))["fit"]
    return resolved


def measure_fit(
    config: dict[str, Any], options: Sequence[str], seed: int, folder: Path, figures: bool
) -> list[Measurement]:
    """Train and test once.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine, not to the study, such as where the data are.
        seed: Seed of everything.
        folder: Where logs, checkpoint and figures go.
        figures: Whether to draw figures.

    Returns:
        Each metric that the test logged; ``<split>/<metric>`` is taken apart.

    Raises:
        RuntimeError: If the test logged nothing.
    """
    quiet = [] if figures else ["--figures.enabled=false"]
    cli = GraphmlCLI([*arguments_of(config, options, seed, folder), *quiet])
    checkpoint = cli.trainer.checkpoint_callback
    # A run of no epochs (an untrained encoder as a control) leaves no checkpoint: the model in memory is tested.
    path = checkpoint.best_model_path if isinstance(checkpoint, ModelCheckpoint) else ""
    return tested(cli, path)


def arguments_of(config: dict[str, Any], options: Sequence[str], seed: int, folder: Path) -> list[str]:
    """Return the command line of one run.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine.
        seed: Seed of everything.
        folder: Where logs, checkpoint and figures go.
    """
    fixed = [f"--seed_everything={seed}", f"--trainer.default_root_dir={folder}", "--trainer.enable_progress_bar=false"]
    return ["fit", f"--config={json.dumps(config)}", *options, *fixed]


def tested(cli: GraphmlCLI, path: str) -> list[Measurement]:
    """Test what was trained.

    Args:
        cli: The command line after training.
        path: Its checkpoint; empty for the model in memory.

    Returns:
        Each metric that the test logged; ``<split>/<metric>`` is taken apart.

    Raises:
        RuntimeError: If the test logged nothing.
    """
    logged = cli.trainer.test(cli.model, datamodule=cli.datamodule, ckpt_path=path or None)
    measurements = []
    for name, value in (pair for metrics in logged for pair in metrics.items()):
        split, _, metric = name.rpartition("/")
        measurements.append(Measurement(split, metric, float(f"{value:.7g}")))  # metrics are logged in float32
    if not measurements:
        raise RuntimeError(f"{type(cli.model).__name__} logged nothing in test: a study has nothing to tabulate")
    return measurements
