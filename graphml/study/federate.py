"""The run of kind ``federate``: what ``graphml federate`` does, for one seed of a study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphml.study.results import Measurement


def resolve_federate(configs: Sequence[dict[str, Any]], options: Sequence[str]) -> dict[str, Any]:
    """Return the full configuration that ``graphml federate --config A --config B OPTIONS`` would run with.

    Args:
        configs: Configurations, each laid over those before it.
        options: Command line options, laid over them all.

    Returns:
        The configuration with all defaults written out.

    Raises:
        ValueError: If a key or an option is wrong.
    """
    from graphml.federated.setup import resolve

    return resolve(configs, options)


def measure_federate(
    config: dict[str, Any], options: Sequence[str], seed: int, folder: Path, figures: bool
) -> list[Measurement]:
    """Run a federation once.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine, not to the study, such as where the data are.
        seed: Seed of split, initial weights, training and drawn clients; the partition has its own.
        folder: Where rounds, weights and figures go.
        figures: Whether to draw figures.

    Returns:
        The metrics of the chosen round, its number, and what was sent, under the name of the protocol.
    """
    from graphml.federate.run import run
    from graphml.federated.setup import build

    setup = build(config, [*options, f"--seed={seed}"])
    outcome = run(setup, folder, progress=False, figures=figures)
    split = setup.protocol.name if setup.protocol is not None else ""
    costs = {"round": outcome.chosen.round, "mebibytes_up": outcome.bytes_up / 2**20, "faults": outcome.faults}
    return [Measurement(split, name, float(f"{value:.7g}")) for name, value in (outcome.metrics | costs).items()]
