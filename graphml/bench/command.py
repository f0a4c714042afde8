"""The command ``graphml bench``."""

import argparse
import importlib.util
import math
import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import graphml
from graphml.study.command import positive

DESCRIPTION = """\
Run the benchmarks of experiments/benchmarks/: this library's operators and loaders beside their peers, in turns in one
process, medians of CPU time (of GPU time where there is one), peak memory, and the fraction of the measured copy
bandwidth. Prints a table for each, and writes results.csv and figures/.
"""

EPILOG = """\
The benchmarks belong to the checkout, not to the installed package: git clone the project and pip install -e it.

exit status: 0 all ran, 1 one of them failed, 2 a wrong name, or no checkout.
"""


def folder() -> Path:
    """Return where the benchmarks of this checkout are."""
    return Path(graphml.__file__).resolve().parents[1] / "experiments" / "benchmarks"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="graphml bench",
        usage="graphml bench [NAME ...] [--quick] [--threads N] [--out DIR]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = sorted(path.stem for path in folder().glob("*.py"))
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"all by default: {', '.join(names) or 'none here'}")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes only: minutes instead of a quarter of an hour"
    )
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="threads of torch (default: 1)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("runs/bench"), help="default: runs/bench")
    return parser


def main(args: list[str]) -> int:
    """Run benchmarks.

    Args:
        args: Command line arguments after ``bench``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    parser = build_parser()
    options = parser.parse_args(args)
    known = {path.stem: path for path in sorted(folder().glob("*.py"))}
    if not known:
        print(f"graphml bench: error: no benchmarks in {folder()}\n{EPILOG.splitlines()[0]}", file=sys.stderr)
        return 2
    unknown = sorted(set(options.names) - known.keys())
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: known[name] for name in options.names or known}
    failed = run_benchmarks(chosen, options.quick, options.threads, options.out)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_benchmarks(chosen: dict[str, Path], quick: bool, threads: int, out: Path) -> list[str]:
    """Run benchmarks one after the other; print the table of each and write all that there is after each.

    Args:
        chosen: File of each benchmark.
        quick: Whether to run the small sizes only.
        threads: Number of torch's threads.
        out: Folder of the results.

    Returns:
        The names of those that failed; the traceback of each is printed.
    """
    import torch
    from tqdm import tqdm

    from graphml.bench.measure import Result
    from graphml.bench.report import table, write_report

    torch.set_num_threads(threads)
    results: dict[str, Sequence[Result]] = {}
    failed = []
    for name, path in tqdm(chosen.items(), unit="benchmark", file=sys.stderr):
        try:
            results[name] = load(path).benchmark(quick)
        except Exception:  # the others are still worth having
            traceback.print_exc()
            failed.append(name)
            continue
        print(f"\n{name}\n\n{table(results[name])}", flush=True)
        write_report(out, results, machine(threads))
    missed = [
        f"{name}: {result.candidate}, {result.job}, {result.size}: {result.ratio:.2f} of {result.goal:g}"
        for name, rows in results.items()
        for result in rows
        if not math.isnan(result.goal) and result.ratio < result.goal
    ]
    print("\nmissed goals:\n  " + ("\n  ".join(missed) or "none"))
    return failed


def load(path: Path):  # type: ignore[no-untyped-def]
    """Import a benchmark by its file.

    Args:
        path: The file.

    Returns:
        The module, with a function ``benchmark(quick)``.
    """
    spec = importlib.util.spec_from_file_location(f"graphml_benchmark_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine(threads: int) -> str:
    """Return what the times depend on: the GPU, or the processor and the number of threads.

    Args:
        threads: Number of torch's threads.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"
