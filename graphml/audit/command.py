"""The command ``graphml audit``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from graphml.study.command import add_options, carry_out

if TYPE_CHECKING:
    from graphml.study.runner import Plan

DESCRIPTION = """\
Attack a federation under each of several defences: the table tells what a defence costs (accuracy, bytes, epsilon of
differential privacy) and what leaks all the same; a second one, how well the federation withstands clients that send
garbage. Without a file: five clients of the embedded digits graph.

The file is that of a study (see 'graphml study --help') with 'run: audit':
  config:                          a federation, as for 'graphml federate --config', and
    attacks:                       replaced as a whole by a variant that has its own; empty for none
      - graphml.federated.audit.LinkStealing            others there: LossMembership, ShadowModels,
                                                        PropertyInference, DeepLeakage, InvertingGradients
  variants:                        defences: the federation with another strategy, such as graphml.federated.Uplink
    none: {}
"""

EPILOG = """\
Variants whose list of attacks is empty are about robustness, and make the second table.

The folder of results holds audit.md and audit.png, and all that 'graphml study' writes: results.csv with every figure
of every attack, and <variant>/seed-<k>/ with the rounds and weights. A stopped audit goes on where it was.

exit status: 0 all runs are there, 1 a run failed, 2 a wrong option or file, 3 skipped (the dataset is not here).
"""

DIGITS = Path(__file__).with_name("digits.yaml")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's own options."""
    parser = argparse.ArgumentParser(
        prog="graphml audit",
        usage="graphml audit [--config FILE] [--seeds N] [--variants NAME ...] [--out DIR] [--data.root DIR] [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", type=Path, default=DIGITS, help="YAML file of the audit")
    add_options(parser, seeds=1)
    return parser


def main(args: list[str]) -> int:
    """Run an audit.

    Args:
        args: Command line arguments after ``audit``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    options, overrides = build_parser().parse_known_args(args)
    return carry_out("graphml audit", options, overrides, report, run="audit")


def report(plan: "Plan") -> str:
    """Write ``audit.md`` and ``audit.png``.

    Args:
        plan: The audit.

    Returns:
        The tables; empty if nothing was measured.
    """
    from graphml.audit.report import audit_tables, chart_of
    from graphml.io import atomic_write
    from graphml.study.results import in_order, read_rows, summarize

    summaries = summarize(in_order(read_rows(plan.results), plan.order))
    tables = audit_tables(summaries)
    with atomic_write(plan.out / "audit.md") as path:
        path.write_text(tables)
    figure = chart_of(summaries, plan.study)
    if figure is not None:
        with atomic_write(plan.out / "audit.png") as path:
            figure.savefig(path)
    return tables
