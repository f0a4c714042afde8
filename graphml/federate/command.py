"""The command ``graphml federate``."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphml.federate.run import Outcome

EPILOG = """\
All options of the federation itself (--data, --model, --partitioner, --strategy, --local, --schedule, --rounds,
--protocol, --seed, --engine, --timeout) are those of the configuration file; see 'graphml federate --help-options',
or '--strategy.help CLASS' for the options of a class. --engine is auto, sequential, vectorised,
flower (simulated nodes) or flower-deployment (a SuperNode for each client).

The folder of results holds rounds.csv (a line a round: metrics, bytes, faults), curves.png, partition.csv and
partition.png, weights.pt, faults.txt, config.yaml and checkpoint.pt.

examples:
  graphml federate                                         FedAvg on the embedded digits graph, five clients
  graphml federate --strategy FedProx --strategy.mu 0.1 --rounds 50
  graphml federate --config experiments/federated/cora_louvain.yaml --variant local --data.root DIR

exit status: 0 done, 1 too few clients answered, 2 a wrong option or file, 3 skipped (the dataset is not here).
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's own options."""
    parser = argparse.ArgumentParser(
        prog="graphml federate",
        usage="graphml federate [--config FILE] [--variant NAME] [--out DIR] [--resume] [options]",
        description="Run a federation: data are dealt to clients, which train by the rules of a strategy.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="YAML file of a federation, or of a study")
    parser.add_argument("--variant", metavar="NAME", help="variant of a study's file (default: the first)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the results (default: runs/federate/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder")
    parser.add_argument("--overwrite", action="store_true", help="forget the run that is in the folder")
    parser.add_argument("--help-options", action="store_true", help="show the options of the federation and exit")
    return parser


def main(args: list[str]) -> int:
    """Run a federation.

    Args:
        args: Command line arguments after ``federate``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    options, overrides = build_parser().parse_known_args(args)
    # Imported here so that --help and wrong options answer at once, without torch.
    from graphml.data import DatasetMissingError
    from graphml.federated.faults import TooFewClientsError
    from graphml.federated.setup import federation_parser
    from graphml.lightning_cli import quiet_lightning

    quiet_lightning()
    if options.help_options:
        federation_parser().print_help()
        return 0
    try:
        outcome, folder = _run(options, overrides)
    except DatasetMissingError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 3
    except TooFewClientsError as error:
        print(f"graphml federate: {error}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"graphml federate: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command with --resume goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(summary(outcome), end="")
    print(f"Written to {folder}")
    return 0


def _run(options: argparse.Namespace, overrides: list[str]) -> "tuple[Outcome, Path]":
    import yaml

    from graphml.federate.run import CHECKPOINT, run
    from graphml.federated.setup import build, resolve
    from graphml.io import atomic_write

    layers, name = _layers(options.config, options.variant)
    config = resolve(layers, overrides)
    folder: Path = options.out or Path("runs") / "federate" / name
    before = folder / "config.yaml"
    if options.overwrite and folder.exists():
        shutil.rmtree(folder)
    if before.exists():
        if not options.resume:
            raise ValueError(f"--out: {folder} holds a run: add --resume or --overwrite, or choose another folder")
        earlier = yaml.safe_load(before.read_text())
        if earlier != config | {"rounds": earlier["rounds"]}:  # more rounds than before go on
            raise ValueError(f"--resume: the run in {folder} has another configuration; see its config.yaml")
    elif options.resume:
        raise ValueError(f"--resume: expected a run with a {CHECKPOINT} in {folder}, found none")
    setup = build(config)
    with atomic_write(before) as path:
        path.write_text(yaml.safe_dump(config, sort_keys=False))
    return run(setup, folder, options.resume), folder


def _layers(path: Path | None, variant: str | None) -> tuple[list[dict[str, Any]], str]:
    """Configurations of a file, one over the other, and a name for the folder."""
    import yaml
    from jsonargparse import get_loader

    from graphml.study_file import load_study

    if path is None:
        if variant is not None:
            raise ValueError("--variant: expected none without the --config of a study")
        return [], "digits"
    if not path.is_file():
        raise FileNotFoundError(f"no configuration {path}")
    try:
        values = get_loader("yaml")(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected options by name, got {type(values).__name__}")
    if "study" not in values:
        if variant is not None:
            raise ValueError(f"--variant: expected none, for {path} is no study")
        return [values], path.stem
    study = load_study(path)
    if study.run != "federate":
        raise ValueError(f"{path}: run: expected federate, got {study.run!r}")
    chosen = next(iter(study.variants)) if variant is None else variant
    if chosen not in study.variants:
        raise ValueError(f"--variant: expected one of {', '.join(study.variants)}, got {chosen!r}")
    return [study.config, study.variants[chosen] or {}], f"{study.study.split('/')[-1]}-{chosen}"


def summary(outcome: "Outcome") -> str:
    """The result in a few lines.

    Args:
        outcome: What came of a run.
    """
    metrics = "\n".join(f"{name:>20}  {value:.4f}" for name, value in outcome.metrics.items())
    faults = f"{outcome.faults} answers were not used, see faults.txt\n" if outcome.faults else ""
    sent = f"{outcome.bytes_down / 2**20:.1f} MiB to the clients, {outcome.bytes_up / 2**20:.1f} MiB from them"
    return f"round {outcome.chosen.round}\n{metrics}\n{sent}\n{faults}"
