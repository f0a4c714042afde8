"""Runs as processes: so many at a time, none outliving the study."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Run:
    """One variant with one seed, as a worker is asked for it.

    Args:
        run: Kind of run.
        variant: Name of the variant.
        config: Full configuration.
        options: Options of this machine.
        seed: Seed of everything.
        folder: Folder of the run.
        figures: Whether to draw figures.
    """

    run: str
    variant: str
    config: dict[str, Any]
    options: tuple[str, ...]
    seed: int
    folder: str
    figures: bool

    @property
    def label(self) -> str:
        """How people read it."""
        return f"{self.variant} seed {self.seed}"


def run_processes(
    runs: Sequence[Run], jobs: int, on_start: Callable[[Run], None]
) -> Generator[tuple[Run, int], None, None]:
    """Start the runs in order, and yield each when it has ended.

    Closing the iterator, or an exception in it, ends the processes that are still running.

    Args:
        runs: What to run; each run's folder is emptied before.
        jobs: Most processes at a time.
        on_start: Called with each run when it starts.

    Yields:
        The run and the exit status of its process; negative if a signal ended it.
    """
    waiting = deque(runs)
    running: dict[subprocess.Popen[str], Run] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.popleft()
                running[_start(run, jobs)] = run
                on_start(run)
            for process in [process for process in running if process.poll() is not None]:
                yield running.pop(process), process.returncode
            time.sleep(POLL_SECONDS)
    finally:
        for process in running:
            process.kill()
            process.wait()


def _start(run: Run, jobs: int) -> "subprocess.Popen[str]":
    folder = Path(run.folder)
    if folder.exists():
        shutil.rmtree(folder)  # what a stopped or failed run left
    folder.mkdir(parents=True)
    environment = dict(os.environ)
    if jobs > 1:  # else every process would start a thread for each core
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "graphml.study.worker"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the study alone, which then ends its runs
        )
    # The pipe stays open for as long as the study lives: its closing is how a run learns that the study is gone.
    if process.stdin is not None:
        process.stdin.write(json.dumps(asdict(run)) + "\n")
        process.stdin.flush()
    return process
