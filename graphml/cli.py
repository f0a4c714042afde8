"""The command ``graphml``: finds the command that was asked for, and loads nothing else."""

import argparse
import importlib
import sys

from graphml import __version__

DESCRIPTION = """\
Graph representation learning, emotion recognition in conversation and federated learning on graphs.

commands:
  fit        train a model: graphml fit --config FILE, or --model CLASS --data CLASS and options
  validate   evaluate a checkpoint on the validation data
  test       evaluate a checkpoint on the test data: graphml test --config FILE --ckpt_path FILE
  predict    write the predictions of a checkpoint, such as the embeddings of all nodes
  features   make audio and text features of conversations, from their recordings and sentences
  federate   run a federation: clients that train together without sharing their data
  audit      attack a federation under several defences: what they cost, and what leaks all the same
  tune       search the options of a training or of a federation: graphml tune --config FILE
  study      run all variants of a study over several seeds, and print the table
  annotate   emotions of your own conversations, as a table and as a page: graphml annotate CHECKPOINT FOLDER
  bench      time the operators and loaders beside their peers (from a checkout)

'graphml COMMAND --help' tells more of each.
"""

EXAMPLES = """\
examples:
  graphml fit --model ContrastiveTask                      wavelets without labels, on the embedded digits graph
  graphml fit --model ContrastiveTask --data.name Cora --data.root DIR
  graphml study experiments/aswt/digits.yaml --seeds 5
"""

TRAINING_COMMANDS = ("fit", "validate", "test", "predict")
OTHER_COMMANDS = {
    "features": "graphml.data.features.command",
    "federate": "graphml.federate.command",
    "audit": "graphml.audit.command",
    "tune": "graphml.tune.command",
    "study": "graphml.study.command",
    "annotate": "graphml.annotate.command",
    "bench": "graphml.bench.command",
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the first word; the commands parse the rest themselves."""
    parser = argparse.ArgumentParser(
        prog="graphml",
        usage="graphml [--help] [--version] COMMAND ...",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"graphml {__version__}")
    parser.add_argument(
        "command", choices=[*TRAINING_COMMANDS, *OTHER_COMMANDS], metavar="COMMAND", help=argparse.SUPPRESS
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(args: list[str] | None = None) -> int:
    """Run a command.

    Args:
        args: Command line arguments; those of the process by default.

    Returns:
        Exit status: 0 when all went well.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    parsed = build_parser().parse_args(sys.argv[1:] if args is None else args)
    # Imported here so that --help and --version answer at once, without torch.
    if parsed.command in OTHER_COMMANDS:
        status: int = importlib.import_module(OTHER_COMMANDS[parsed.command]).main(parsed.arguments)
        return status
    from graphml import lightning_cli

    return lightning_cli.main([parsed.command, *parsed.arguments])
