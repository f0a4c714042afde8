"""Processes that end with the block that started them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self
from uuid import uuid4

import psutil

MARK = "GRAPHML_FLOWER_RUN"
"""Environment variable that all processes of a run inherit, wherever they are moved to."""

GRACE = 10.0  # seconds to end of one's own accord


class Processes:
    """Processes of one run. They, and all that they start, are ended at the end of the block, also after an error.

    Flower and Ray start processes in sessions of their own, and those of a process that died are handed to another
    parent; so they are found by an environment variable that they all inherit.

    Args:
        folder: Gets a log of each process, and its FLWR_HOME.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid4().hex
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started.values():
            process.terminate()
        self._wait()
        for process in self.running():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._wait()
        for process in self._started.values():
            process.wait()

    def _wait(self) -> None:
        """Give all processes a while to end."""
        stop = time.monotonic() + GRACE
        while self.running() and time.monotonic() < stop:
            time.sleep(0.1)

    def start(self, name: str, command: Sequence[str], output: int | None = None) -> subprocess.Popen[bytes]:
        """Start a process.

        Args:
            name: Name of its log and of its FLWR_HOME.
            command: A program of this Python's environment, and its arguments.
            output: File descriptor that gets what it prints; None for its log.
        """
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                env=self.environment(name),
            )
        self._started[name] = process
        return process

    def log(self, name: str) -> Path:
        """Log of a process.

        Args:
            name: Its name.
        """
        return self.folder / f"{name}.log"

    def home(self, name: str) -> Path:
        """FLWR_HOME of a process: apart, for all install the same app there at the same time.

        Args:
            name: Its name.
        """
        home = self.folder / f"home-{name}"
        home.mkdir(exist_ok=True)
        return home

    def environment(self, name: str) -> dict[str, str]:
        """Environment of a process: this one's import path, no telemetry, no proxy to this machine.

        Args:
            name: Its name.
        """
        local = "127.0.0.1,localhost"
        paths = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
        return os.environ | {
            MARK: self.mark,
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path),
            "FLWR_HOME": str(self.home(name)),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray's next release does; without it Ray warns
            "no_proxy": ",".join(filter(None, [os.environ.get("no_proxy"), local])),
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), local])),
        }

    def running(self) -> list[psutil.Process]:
        """Processes of this run, those that were started by others of it included."""
        return processes_marked(self.mark)

    def check(self, *names: str) -> None:
        """Raise if a process has ended.

        Args:
            *names: Names of processes that run until the end.

        Raises:
            RuntimeError: With the end of its log.
        """
        for name in names:
            status = self._started[name].poll()
            if status is not None:
                raise RuntimeError(f"{name} ended with status {status}:\n{self.told(name)}")

    def told(self, name: str, lines: int = 30) -> str:
        """The end of a log.

        Args:
            name: Name of the process.
            lines: Number of lines.
        """
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])


def processes_marked(mark: str) -> list[psutil.Process]:
    """Living processes whose environment has the mark.

    Args:
        mark: Value of the variable `MARK`.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has just ended, or is another user's
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on.

    Args:
        count: How many.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine.

    Args:
        port: The port.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def exit_on_termination() -> Iterator[None]:
    """Let SIGTERM, such as a cluster's at the end of the time, leave the block like an error, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
