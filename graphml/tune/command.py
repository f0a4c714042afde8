"""The command ``graphml tune``."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from graphml.study.command import positive

if TYPE_CHECKING:
    from graphml.tune.planning import Plan
    from graphml.tune.run import Outcome

DESCRIPTION = """\
Search the options of a federation or of a central training by their validation metric, then test the best
configuration once, over several seeds. Optuna's samplers suggest what to try, its pruners end the trials that do
worse than others. The budget counts rounds (central studies: epochs) of all trials together.

The search's file:
  tune: federated/tune_cora                              its name
  base: {file: cora_louvain.yaml, variant: fedavg}       a study to start from; or run and config, as a study has them
  config: {rounds: 100}                                  laid over the base
  search:
    space:
      local.optimizer.init_args.lr: {low: 0.01, high: 1.0, log: true}
      local.epochs: [1, 2, 4, 8]
    sampler: {class_path: optuna.samplers.TPESampler}
    budget: 1600                                         and, or instead, trials: 16
  variants:                                              each replaces settings of the search
    tpe: {}
    hyperband:
      pruner: {class_path: optuna.pruners.HyperbandPruner, init_args: {min_resource: 11, max_resource: 100}}
      fidelity: [{rounds: 11, client_fraction: 0.4}]     fewer clients in the first rounds of a trial
"""

EPILOG = """\
Other options go to every run, as in 'graphml federate' or 'graphml fit': --rounds 50, --trainer.max_epochs 20.

The folder of results holds trials.csv (a line a trial), history.png, best.yaml (for 'graphml federate --config' or
'graphml fit --config'), test/ (the study of the best configuration), tune.yaml, and journal.log, Optuna's own record.

A search that is stopped goes on with --resume: finished trials are not run again, the one that was running is. With
--resume, --trials and --budget may be higher than before.

exit status: 0 done, 1 trials or tests failed, 2 a wrong option or file, 3 skipped (the dataset is not here).
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's own options."""
    parser = argparse.ArgumentParser(
        prog="graphml tune",
        usage="graphml tune --config FILE [--variant NAME] [--trials N] [--budget ROUNDS] [--resume] [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the search's YAML file")
    parser.add_argument("--variant", metavar="NAME", help="variant of the search (default: the first)")
    parser.add_argument("--trials", metavar="N", type=positive, help="most trials")
    parser.add_argument("--budget", metavar="ROUNDS", type=positive, help="most rounds of all trials together")
    parser.add_argument("--seeds", metavar="N", type=positive, default=3, help="seeds of the test (default: 3)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the results (default: runs/tune/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on with the search in the folder")
    parser.add_argument("--overwrite", action="store_true", help="forget the search in the folder")
    parser.add_argument("--data.root", dest="root", metavar="DIR", help="where the datasets are on this machine")
    return parser


def main(args: list[str]) -> int:
    """Run a search.

    Args:
        args: Command line arguments after ``tune``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    options, overrides = build_parser().parse_known_args(args)
    # Imported here so that --help and wrong options answer at once, without torch.
    from graphml.data import DatasetMissingError
    from graphml.federated.tuning.search import FailingTrialsError
    from graphml.lightning_cli import quiet_lightning
    from graphml.tune.planning import make_plan
    from graphml.tune.run import run

    quiet_lightning()
    try:
        plan = make_plan(options, overrides)
        outcome = run(plan, options.resume, options.overwrite)
    except DatasetMissingError as error:
        print(f"skipped: {options.config}: {error}", file=sys.stderr)
        return 3
    except FailingTrialsError as error:
        print(f"graphml tune: {error}", file=sys.stderr)
        return 1
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"graphml tune: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command with --resume goes on from here", file=sys.stderr)
        return 130
    print(summary(plan, outcome), end="")
    print(f"Written to {plan.out}")
    return 0 if outcome.best is not None and not outcome.failed else 1


def summary(plan: "Plan", outcome: "Outcome") -> str:
    """The result in a few lines.

    Args:
        plan: The search.
        outcome: What came of it.
    """
    states = [row.state for row in outcome.rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    rounds = sum(row.rounds for row in outcome.rows)
    lines = [f"{len(states)} trials ({counts}), {rounds} {plan.unit}"]
    if outcome.best is None:
        return f"{lines[0]}: none was completed; raise the budget, or see the notes in trials.csv\n"
    lines.append(f"best: trial {outcome.best.number}, {plan.monitor} {outcome.best.value:.4f}")
    lines += [f"  {name}: {value}" for name, value in outcome.best.parameters.items()]
    if outcome.failed:
        lines.append(f"tests failed: {', '.join(outcome.failed)}")
    return "\n".join(lines) + f"\n\n{outcome.table}\n"
