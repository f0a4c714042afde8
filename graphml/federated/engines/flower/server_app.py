"""Flower's ServerApp: the rounds of `simulate`, with the clients on Flower's nodes."""

import json
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from graphml.federated.engines.flower.engine import FlowerEngine
from graphml.federated.history import Round
from graphml.federated.setup import build
from graphml.federated.simulation import simulate
from graphml.io import atomic_write


def main(grid: Grid, context: Context) -> None:
    """Run the federation of the run's configuration; what comes of it is its checkpoint.

    Args:
        grid: The way to the nodes.
        context: ``run_config`` has ``config`` (JSON), ``checkpoint`` (path), ``resume`` and ``failure`` (path of a
            file that gets the error, if there is one, as JSON).
    """
    options = context.run_config
    try:
        setup = build(json.loads(str(options["config"])))
        simulate(
            setup.strategy,
            setup.clients,
            setup.rounds,
            FlowerEngine(grid, setup.timeout),
            server=setup.server,
            seed=setup.seed,
            schedule=setup.schedule,
            checkpoint=Path(str(options["checkpoint"])),
            resume=bool(options["resume"]),
            progress=False,
            on_round=_report,
        )
    except Exception as error:
        with atomic_write(str(options["failure"])) as path:
            path.write_text(json.dumps({"type": type(error).__name__, "message": str(error)}))
        raise


def _report(row: Round) -> None:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in row.metrics.items())
    print(f"round {row.round}: {row.clients} clients, {row.faults} faults {metrics}", flush=True)


app = ServerApp()
app.main()(main)
