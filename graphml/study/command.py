"""The command ``graphml study``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphml.study.runner import Plan

DESCRIPTION = """\
Run every variant of a study with every seed, each in a process of its own, and print the table: one row a seed, and
mean and standard deviation. A stopped study resumes where it was: what is in results.csv is not run again.

The study's file:
  study: aswt/cora                 name in the rows
  run: fit                         train, then test the checkpoint
  config:                          as for 'graphml fit --config', shared by all variants
    model: {class_path: graphml.tasks.ContrastiveTask}
    data: {class_path: graphml.data.NodeDataModule, init_args: {name: Cora, split: [public, random]}}
  variants:                        each laid over the shared configuration
    wavelet: {}
    gcn: {model: {init_args: {encoder: graphml.models.GCNEncoder}}}
"""

EPILOG = """\
Other options go to every run, as in 'graphml fit': --trainer.max_epochs 20, --model.lr 1e-3, --data.num_splits 1.

The folder of results holds results.csv (a row a measurement), summary.csv, table.md, figures/, configs/ (the full
configuration of each variant), versions.txt, and <variant>/seed-<k>/ with the logs and the checkpoint.

exit status: 0 all runs are there, 1 a run failed, 2 a wrong option or file, 3 skipped (the dataset is not here).
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the study's own options."""
    parser = argparse.ArgumentParser(
        prog="graphml study",
        usage="graphml study CONFIG [--seeds N] [--variants NAME ...] [--out DIR] [--data.root DIR] [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path, help="the study's YAML file")
    add_options(parser, seeds=5)
    return parser


def add_options(parser: argparse.ArgumentParser, seeds: int) -> None:
    """Add the options that all commands have which repeat runs.

    Args:
        parser: The command's parser.
        seeds: Default number of seeds.
    """
    parser.add_argument("--seeds", metavar="N", type=positive, default=seeds, help=f"how many seeds (default: {seeds})")
    parser.add_argument("--first-seed", metavar="K", type=_natural, default=0, help="the first of them (default: 0)")
    parser.add_argument("--variants", metavar="NAME", nargs="+", help="run only these (default: all)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the results (default: runs/STUDY)")
    parser.add_argument("--jobs", metavar="N", type=positive, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="forget earlier rows of these variants")
    parser.add_argument("--data.root", dest="root", metavar="DIR", help="where the datasets are on this machine")


def main(args: list[str]) -> int:
    """Run a study.

    Args:
        args: Command line arguments after ``study``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    options, overrides = build_parser().parse_known_args(args)
    # Imported here so that --help and wrong options answer at once, without torch.
    from graphml.study.runner import write_report

    return carry_out("graphml study", options, overrides, write_report)


def carry_out(
    command: str,
    options: argparse.Namespace,
    overrides: list[str],
    report: "Callable[[Plan], str]",
    run: str | None = None,
) -> int:
    """Run what is missing of a study, and print what came of it.

    Args:
        command: Name of the command, for its errors.
        options: Its options, with ``config``.
        overrides: Options of every run.
        report: Writes the tables and figures of the command, and returns what is printed.
        run: Kind of run that the file must ask for; None for any.

    Returns:
        Exit status.
    """
    from graphml.data import DatasetMissingError
    from graphml.study.planning import make_plan
    from graphml.study.runner import run_study

    try:
        plan = make_plan(options, overrides)
        if run is not None and plan.run != run:
            raise ValueError(f"{options.config}: run: expected {run}, got {plan.run!r}: see graphml study")
        failed = run_study(plan)
    except DatasetMissingError as error:
        print(f"skipped: {options.config}: {error}", file=sys.stderr)
        return 3
    except (ValueError, FileNotFoundError) as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        return 130
    print(report(plan), end="")
    print(f"written to {plan.out}", file=sys.stderr)
    if failed:
        total = len(plan.configs) * len(plan.seeds)
        print(f"{len(failed)} of {total} runs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text}")
    return value


def positive(text: str) -> int:
    """Read an option that is an integer of at least 1.

    Args:
        text: What the user wrote.

    Raises:
        argparse.ArgumentTypeError: If the number is below 1.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return value
