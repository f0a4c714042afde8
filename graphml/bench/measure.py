"""Time and memory of rival implementations of one job, measured in turns in one run."""

import functools
import gc
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

Candidates = Mapping[str, Callable[[], object]]


class Result(NamedTuple):
    """One candidate's measurement.

    Attributes:
        job: What was done, such as ``product, forward + backward``.
        size: On what, such as ``PubMed, F 512``.
        candidate: Who did it.
        milliseconds: Median time: of the process's CPU (all threads), or of the GPU.
        ratio: The reference's time over this one: above 1 is faster than the reference.
        peak_mib: Most memory allocated at a time beyond what was there before, in MiB.
        bandwidth: Bytes that the job must move over its time, as a fraction of the measured copy bandwidth; NaN where
            the job names none.
        goal: The ratio that this candidate is meant to reach; NaN where there is none.
    """

    job: str
    size: str
    candidate: str
    milliseconds: float
    ratio: float
    peak_mib: float
    bandwidth: float
    goal: float


def compare(
    job: str,
    size: str,
    candidates: Candidates,
    reference: str,
    goals: Mapping[str, float] | None = None,
    bytes_moved: float | None = None,
    repeats: int = 9,
    device: str = "cpu",
) -> list[Result]:
    """Measure candidates in turns, so that a disturbance of the machine hits all of them alike.

    Args:
        job: What is done.
        size: On what.
        candidates: For each name a function that does the job once.
        reference: Name of the candidate to which the ratios are taken.
        goals: For each candidate that has a goal the ratio to reach.
        bytes_moved: Bytes that the job reads and writes at the least.
        repeats: Rounds after a warm-up.
        device: ``cpu`` or ``cuda``.

    Returns:
        One result a candidate, in their order.
    """
    clock = _gpu_seconds if device == "cuda" else _cpu_seconds
    for function in candidates.values():  # compilers, caches and allocators warm up
        function()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, function in candidates.items():
            seconds[name].append(clock(function))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    copied = torch.nan if bytes_moved is None else bytes_moved / copy_bandwidth(device)
    return [
        Result(
            job,
            size,
            name,
            1e3 * median[name],
            median[reference] / median[name],
            peak_mib(function, device),
            copied / median[name],
            (goals or {}).get(name, torch.nan),
        )
        for name, function in candidates.items()
    ]


def _cpu_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def _gpu_seconds(function: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def peak_mib(function: Callable[[], object], device: str = "cpu") -> float:
    """Most tensor memory that a call allocates at a time beyond what was there before, in MiB.

    Args:
        function: What to call, once.
        device: ``cpu`` or ``cuda``.

    Returns:
        The peak.
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        function()
    events = profile.profiler.kineto_results.events()
    memory = sorted((event for event in events if event.name() == "[memory]"), key=lambda event: event.start_ns())
    held: list[int] = list(itertools.accumulate((event.nbytes() for event in memory), initial=0))
    return max(held) / 2**20


@functools.cache
def copy_bandwidth(device: str = "cpu") -> float:
    """Bytes a second of a large copy on this machine, read and write counted; best of five.

    Args:
        device: ``cpu`` or ``cuda``.

    Returns:
        The bandwidth, per second of CPU time of all threads on the CPU.
    """
    source = torch.ones(2**26 if device == "cuda" else 2**24, device=device)
    target = torch.empty_like(source)
    clock = _gpu_seconds if device == "cuda" else _cpu_seconds
    target.copy_(source)
    best = min(clock(lambda: target.copy_(source)) for _ in range(5))
    return float(2 * source.numel() * source.element_size()) / best
