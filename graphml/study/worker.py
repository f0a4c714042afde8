"""The process of one run: ``python -m graphml.study.worker``, with a request on standard input.

A process of its own gives each run its true peak memory, the same start as any other, and a crash that harms no other.
"""

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path

import torch

from graphml.data import DatasetMissingError
from graphml.io import atomic_write
from graphml.study.runs import RUNS

FAILED, MISSING = 1, 3
"""Exit status of a run that failed, and of one whose dataset is not on this machine."""


def peak_memory_mib() -> float:
    """Return the most memory that this process has held.

    Returns:
        MiB allocated on the GPU if it was used, else MiB resident in main memory.
    """
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # Linux; getrusage there counts the memory of the parent that started this process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return float(lines["VmHWM"].split()[0]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def exit_with_parent() -> None:
    """End this process when the study that started it ends in any way: its end of the pipe is then closed."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(FAILED)


def main() -> int:
    """Run what the request on standard input asks for, and leave ``measurements.json`` or ``error.txt``.

    Returns:
        Exit status.
    """
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=exit_with_parent, daemon=True).start()
    folder = Path(request["folder"])
    start = time.perf_counter()
    try:
        measurements = RUNS[request["run"]].measure(
            request["config"], request["options"], request["seed"], folder, request["figures"]
        )
    except DatasetMissingError as error:
        (folder / "error.txt").write_text(f"{error}\n")
        return MISSING
    except BaseException:  # the parser of a configuration raises SystemExit
        (folder / "error.txt").write_text(traceback.format_exc())
        return FAILED
    seconds = round(time.perf_counter() - start, 3)
    answer = {"measurements": measurements, "seconds": seconds, "peak_memory_mib": round(peak_memory_mib(), 1)}
    with atomic_write(folder / "measurements.json") as path:
        path.write_text(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
