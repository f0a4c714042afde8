"""The run of kind ``federate``: what ``graphml federate`` does, for one seed of a study or one trial of a search."""

import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphml.study.results import Measurement
from graphml.study.watch import Watch


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


def monitor_of_federate(config: dict[str, Any]) -> str:
    """Return the metric that chooses a federation's best round.

    Args:
        config: Full configuration.
    """
    from graphml.federated.simulation import Schedule

    task = pkgutil.resolve_name(config["model"]["class_path"])
    return Schedule(monitor=config["schedule"]["monitor"]).monitored(task)


def validate_federate(config: dict[str, Any], options: Sequence[str], seed: int, folder: Path, watch: Watch) -> float:
    """Run a federation for its validation metric, and leave nothing.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine.
        seed: Seed of split, initial weights, training and drawn clients; the partition has its own.
        folder: Unused: a trial leaves no files.
        watch: What to watch, and where to report.

    Returns:
        The metric of the round that the protocol chooses: the best, or the last.

    Raises:
        ValueError: If the engine starts processes of its own, or the metric is not measured.
    """
    from graphml.federate.run import FLOWER, in_process_engine
    from graphml.federated.history import History, Round
    from graphml.federated.setup import build
    from graphml.federated.simulation import simulate
    from graphml.federated.tuning.fidelity import fraction_in

    setup = build(config, [*options, f"--seed={seed}", f"--schedule.monitor={watch.monitor}"])
    if setup.engine in FLOWER:
        raise ValueError(f"engine: a search runs in one process: expected auto or sequential, got {setup.engine}")
    strategy, history = setup.strategy, History(watch.monitor)
    own, last = strategy.client_fraction, setup.protocol is not None and setup.protocol.select == "last"

    def value() -> float:
        return (history.evaluated[-1] if last else history.best).metrics[watch.monitor]

    def on_round(row: Round) -> None:
        history.rounds.append(row)
        strategy.client_fraction = fraction_in(row.round + 1, watch.rungs, own)
        watch.report(row.round, value() if row.metrics else None)

    strategy.client_fraction = fraction_in(1, watch.rungs, own)
    simulate(
        strategy,
        setup.clients,
        setup.rounds,
        in_process_engine(setup),
        server=setup.server,
        seed=setup.seed,
        schedule=setup.schedule,
        progress=False,
        on_round=on_round,
    )
    return value()
