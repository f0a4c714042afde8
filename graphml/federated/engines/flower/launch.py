"""Runs a federation on Flower: starts its processes, waits for the end, ends them."""

import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from graphml.federated.engines.flower.processes import Processes, answers, exit_on_termination, free_ports
from graphml.federated.faults import TooFewClientsError
from graphml.federated.setup import Setup
from graphml.federated.simulation import Result, load_result

INSTALL = "pip install 'graphml-torch[flower]', or: conda install -c conda-forge flwr ray-core"

APP = """\
[project]
name = "graphml-federation"
version = "1.0.0"
description = "A federation of graphml"
license = "MIT"
dependencies = []

[tool.flwr.app]
publisher = "graphml"

[tool.flwr.app.components]
serverapp = "graphml.federated.engines.flower.server_app:app"
clientapp = "graphml.federated.engines.flower.client_app:app"

[tool.flwr.app.config]
"""

CONNECTION = """\
[superlink]
default = "here"

[superlink.here]
address = "127.0.0.1:{port}"
insecure = true
"""

ERRORS = {error.__name__: error for error in (TooFewClientsError, ValueError, FileNotFoundError)}
"""Errors of the server that are raised here as what they are; others become RuntimeErrors."""


def run_on_flower(
    setup: Setup,
    checkpoint: Path,
    resume: bool = False,
    progress: bool = False,
    deployment: bool = False,
    timeout: float | None = None,
) -> Result:
    """Run a federation on Flower, on this machine.

    By default Flower simulates the nodes: the clients share as many processes as there are processors (Ray). With
    ``deployment`` each client has a SuperNode, as on machines of their own: each answer is a fresh process.

    Args:
        setup: What is run; the processes build it from its ``config``.
        checkpoint: File of the checkpoints, and of the result.
        resume: Go on from the checkpoint if it is there.
        progress: Show Flower's log on standard error.
        deployment: Start a SuperNode for each client.
        timeout: Seconds that all of it may take; None for any time.

    Returns:
        What `graphml.federated.simulate` returns.

    Raises:
        ModuleNotFoundError: If Flower, or Ray for a simulation, is not installed.
        TooFewClientsError: If fewer clients answer than the schedule wants.
        TimeoutError: If it took too long.
        RuntimeError: If the run failed, with the reason.
    """
    require_flower(ray=not deployment)
    with tempfile.TemporaryDirectory(prefix="graphml-flower-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        failure = folder / "failure.json"
        options = {
            "config": json.dumps(setup.config),
            "checkpoint": str(checkpoint.resolve()),
            "failure": str(failure),
            "resume": resume,
        }
        write_app(folder / "app", options)
        with exit_on_termination(), Processes(folder) as processes:
            stop = None if timeout is None else time.monotonic() + timeout
            servers = _start_servers(processes, len(setup.clients), deployment, stop)
            _run_app(processes, servers, len(setup.clients), deployment, progress, stop)
            _check_status(processes, servers, failure)
    return load_result(checkpoint, setup.schedule.monitored(setup.task))


def require_flower(ray: bool = True) -> None:
    """Raise if Flower is not installed.

    Args:
        ray: Whether Ray is needed too.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    for module in ("flwr", *(["ray"] if ray else [])):
        if importlib.util.find_spec(module) is None:
            message = f"{module} is not installed, and the engine flower needs it. Install it: {INSTALL}"
            raise ModuleNotFoundError(message)


def write_app(folder: Path, options: dict[str, Any]) -> None:
    """Write a Flower app that runs a federation: what ``flwr run FOLDER`` takes.

    Args:
        folder: The folder to make.
        options: ``run_config`` of `graphml.federated.engines.flower.server_app.main`.
    """
    folder.mkdir(parents=True)
    # A JSON string, number or truth value is one in TOML too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in options.items()]
    (folder / "pyproject.toml").write_text(APP + "".join(lines), encoding="utf-8")


def _start_servers(processes: Processes, num_clients: int, deployment: bool, stop: float | None) -> list[str]:
    """Start the SuperLink and, for a deployment, a SuperNode for each client."""
    port, *node_ports = free_ports(1 + num_clients * deployment)
    for name in ("run", "list"):
        (processes.home(name) / "config.toml").write_text(CONNECTION.format(port=port))
    command = ["flower-superlink", "--insecure", "--disable-runtime-dependency-installation", "--port", str(port)]
    processes.start("superlink", [*command, *([] if deployment else ["--simulation"])])
    while not answers(port):
        processes.check("superlink")
        _check_time(stop)
        time.sleep(0.1)
    for number, node_port in enumerate(node_ports):
        node = f"partition-id={number} num-partitions={num_clients}"
        address = ["--superlink", f"127.0.0.1:{port}", "--port", str(node_port)]
        processes.start(f"supernode-{number}", ["flower-supernode", "--insecure", *address, "--node-config", node])
    return ["superlink", *(f"supernode-{number}" for number in range(len(node_ports)))]


def _run_app(
    processes: Processes, servers: list[str], num_clients: int, deployment: bool, progress: bool, stop: float | None
) -> None:
    """Submit the app and wait until its log ends."""
    command = ["flwr", "run", str(processes.folder / "app"), "here", "--stream"]
    workers = min(num_clients, os.cpu_count() or 1)
    nodes = f"num-supernodes={num_clients} client-resources-num-cpus=1 init-args-num-cpus={workers}"
    client = processes.start(
        "run",
        [*command, *([] if deployment else ["--federation-config", nodes])],
        output=2 if progress else None,  # 2: standard error
    )
    while client.poll() is None:
        processes.check(*servers)
        _check_time(stop)
        time.sleep(0.2)


def _check_status(processes: Processes, servers: list[str], failure: Path) -> None:
    """Raise if the run did not end well: ``flwr run`` ends with status 0 in any case."""
    processes.start("list", ["flwr", "ls", "here", "--format", "json"]).wait()
    listed = processes.log("list").read_text()
    if '"finished:completed"' in listed:
        return
    if failure.exists():
        told = json.loads(failure.read_text())
        if told["type"] in ERRORS:
            raise ERRORS[told["type"]](told["message"])
        raise RuntimeError(f"the run on Flower failed: {told['type']}: {told['message']}")
    logs = "\n\n".join(f"{name}:\n{processes.told(name)}" for name in ("run", *servers, "list"))
    raise RuntimeError(f"the run on Flower failed. The ends of its logs:\n\n{logs}")


def _check_time(stop: float | None) -> None:
    if stop is not None and time.monotonic() > stop:
        raise TimeoutError("the run on Flower took longer than it was given")
