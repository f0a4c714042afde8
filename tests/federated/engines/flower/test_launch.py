"""Runs on Flower's own processes: the same weights as in this process, and nothing left behind."""

import json
import os
import subprocess
import sys
import textwrap
import time
import tomllib
from uuid import uuid4

import psutil
import pytest
import torch

from graphml.federated.engines.flower import run_on_flower
from graphml.federated.engines.flower.launch import require_flower, write_app
from graphml.federated.engines.flower.processes import Processes
from graphml.federated.setup import build, resolve
from graphml.federated.simulation import simulate

MINUTES = 60.0  # seconds

# Imported by this process and by Flower's. The client goes on in the direction of its last round, and fails once.
REMEMBERING = """
from graphml.federated import Client, FedAvg, Pull


class RememberingClient(Client):
    def fit(self, request):
        if request.config["round"] == 2 and self.number == 1:
            raise KeyError("no such thing")
        return super().fit(request)

    def pull(self, request, start):
        return Pull(drift=self.memory) if self.memory else None

    def finish(self, request, start, end, metrics):
        reply = super().finish(request, start, end, metrics)
        self.memory = {name: 0.5 * (start[name] - value) for name, value in end.items()}
        return reply


class Remembering(FedAvg):
    client = RememberingClient
"""


@pytest.fixture
def left(monkeypatch):
    """Processes that have the environment of this test, beside this one."""
    mark = uuid4().hex
    monkeypatch.setenv("GRAPHML_TEST_MARK", mark)

    def found() -> list[str]:
        out = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("GRAPHML_TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                    out.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return out

    return found


@pytest.fixture
def remembering(tmp_path, monkeypatch) -> str:
    """Class path of a strategy whose clients remember; no class of the package, as a user's is none."""
    (tmp_path / "remembering_clients.py").write_text(REMEMBERING)
    monkeypatch.syspath_prepend(tmp_path)
    return "remembering_clients.Remembering"


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "flwr", None)
    with pytest.raises(ModuleNotFoundError, match=r"flwr is not installed.*graphml-torch\[flower\].*conda-forge flwr"):
        require_flower()


def test_the_app_has_the_configuration(tmp_path):
    options = {"config": json.dumps({"root": 'C:\\"data"\n', "name": "Zürich"}), "resume": False, "checkpoint": "/a b"}
    write_app(tmp_path / "app", options)
    app = tomllib.loads((tmp_path / "app" / "pyproject.toml").read_text(encoding="utf-8"))
    assert app["tool"]["flwr"]["app"]["config"] == options


def test_all_processes_end_with_the_block(tmp_path, left):
    """Those too that ignore it, and those in a session of their own whose parent has died."""
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)"

    def fail() -> None:
        with Processes(tmp_path) as processes:
            processes.start("parent", [sys.executable, "-c", parent]).wait()
            processes.start("other", [sys.executable, "-c", stubborn])
            assert len(left()) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left() == []


def test_a_process_that_ends_too_early_is_told_with_its_log(tmp_path):
    with Processes(tmp_path) as processes:
        processes.start("server", [sys.executable, "-c", "raise SystemExit('no such port')"]).wait()
        with pytest.raises(RuntimeError, match="server ended with status 1:\nno such port"):
            processes.check("server")


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_termination_ends_the_processes(tmp_path, left):
    """As at the end of the time that a cluster gives."""
    code = f"""
    import pathlib, sys, time
    from graphml.federated.engines.flower.processes import Processes, exit_on_termination
    with exit_on_termination(), Processes(pathlib.Path({str(tmp_path)!r})) as processes:
        processes.start("server", [sys.executable, "-c", "import time; time.sleep(600)"])
        print("started", flush=True)
        time.sleep(600)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    process.terminate()
    assert process.wait(60) != 0
    assert left() == []


def both(config, tmp_path, **options):
    """Results of the sequential engine and of Flower."""
    setup = build(config)
    expected = simulate(
        setup.strategy,
        setup.clients,
        setup.rounds,
        server=setup.server,
        seed=setup.seed,
        schedule=setup.schedule,
        checkpoint=tmp_path / "sequential.pt",
        progress=False,
    )
    return expected, run_on_flower(build(config), tmp_path / "flower.pt", timeout=15 * MINUTES, **options)


def assert_same(expected, found, tmp_path):
    assert found.last_state.keys() == expected.last_state.keys()
    assert all(torch.equal(found.last_state[name], value) for name, value in expected.last_state.items())
    for row, other in zip(expected.history.rounds, found.history.rounds, strict=True):
        assert (row.metrics, row.bytes_up, row.bytes_down) == (other.metrics, other.bytes_up, other.bytes_down)
    assert found.history.faults == expected.history.faults
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True)["clients"] for name in ("sequential", "flower"))
    assert one.keys() == two.keys()
    for number, memory in one.items():
        assert all(torch.equal(two[number][name], value) for name, value in memory.items())


@pytest.mark.flower
@pytest.mark.parametrize(("deployment", "num_clients"), [(False, 3), (True, 2)], ids=["simulation", "supernodes"])
def test_it_equals_the_sequential_engine(deployment, num_clients, remembering, tmp_path, left):
    """Weights, memories, metrics, bytes and faults; a simulation shares processes, a SuperNode starts one a message."""
    pytest.importorskip("flwr" if deployment else "ray")
    config = resolve([], [f"--strategy={remembering}", "--rounds=2", f"--partitioner.num_clients={num_clients}"])
    expected, found = both(config, tmp_path, deployment=deployment)
    assert_same(expected, found, tmp_path)
    assert [str(fault) for fault in found.history.faults] == ["client 1 in round 2: raised KeyError: 'no such thing'"]
    assert left() == []


@pytest.mark.flower
def test_a_run_that_fails_raises_its_reason(tmp_path, left):
    pytest.importorskip("ray")
    setup = build(resolve([], ["--schedule.monitor=val_acuracy", "--partitioner.num_clients=2"]))
    with pytest.raises(ValueError, match="monitor: expected one of the metrics"):
        run_on_flower(setup, tmp_path / "flower.pt", timeout=15 * MINUTES)
    assert left() == []


@pytest.mark.flower
def test_a_run_that_takes_too_long_is_ended(tmp_path, left):
    pytest.importorskip("ray")
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="longer than it was given"):
        run_on_flower(build(resolve([], ["--partitioner.num_clients=2"])), tmp_path / "flower.pt", timeout=10)
    assert time.monotonic() - start < 2 * MINUTES
    assert left() == []
