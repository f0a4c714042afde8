"""The commands that train: ``graphml fit``, ``validate``, ``test`` and ``predict``, on Lightning's command line."""

import logging
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger

import graphml.data
import graphml.tasks  # its classes can then be named without their module: --model ContrastiveTask
from graphml.callbacks import EpochProgressBar, PredictionWriter, SparseCheckpoint
from graphml.parser import LINKED, GraphmlParser, RefusedError, UsageError, link_sizes, size_of
from graphml.plots.callback import FiguresCallback

TRAINER_DEFAULTS = {"deterministic": True, "max_epochs": 100, "log_every_n_steps": 1, "default_root_dir": "runs"}

# Advice that does not apply here: a graph is one batch that lives on its device, so there is nothing to load in
# parallel, and it has no batch indices; a test is meant to write to a folder of its own; arguments come as a list.
NOISE = (
    "does not have many workers",
    "The dirpath has changed",
    "isinstance.treespec, LeafSpec.",
    "LightningCLI's args parameter",
    "Couldn't infer the batch indices",
)


class GraphmlCLI(LightningCLI):
    """Lightning's command line, with any task and any data module by class path, and this library's defaults.

    The sizes that the data define (``in_channels``, ``num_classes``) flow to the model, unless it comes from a
    checkpoint: its own then stay, and data that do not fit them are refused. Logs, figures and checkpoints
    go to ``<trainer.default_root_dir>/<subcommand>/version_<n>``, unless the configuration names a logger.

    Args:
        args: Command line arguments, such as ``["fit", "--config", "cora.yaml"]``.
    """

    def __init__(self, args: list[str]) -> None:
        quiet_lightning()
        self.trained: dict[str, Any] = {}  # sizes of the checkpoint's model
        super().__init__(
            pl.LightningModule,
            pl.LightningDataModule,
            args=args,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={**TRAINER_DEFAULTS, "callbacks": [PredictionWriter()]},
            auto_configure_optimizers=False,
            parser_class=GraphmlParser,
            parser_kwargs={"prog": "graphml"},
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the figures' section, the default data module and the links from data to model.

        Args:
            parser: Parser of one subcommand.
        """
        parser.add_lightning_class_args(FiguresCallback, "figures")
        parser.set_defaults({"data": {"class_path": "graphml.data.NodeDataModule"}})
        link_sizes(parser, self._size)

    def _size(self, name: str, data: Any) -> Any:
        """A size of the checkpoint, else of the data; None where these have no such size."""
        return self.trained[name] if name in self.trained else size_of(name, data)

    def _parse_ckpt_path(self) -> None:
        """Take the model's options from the checkpoint, as Lightning does, but never in silence.

        Raises:
            RefusedError: If there is no such file, or if it holds another class of model than the one asked for.
        """
        config = self.config[self.config.subcommand]
        path, asked = config.get("ckpt_path"), config.model.class_path
        if path is None and self.config.subcommand != "fit":
            say("no --ckpt_path: this model is untrained")
        if path is None or path in ("best", "last", "hpc", "registry"):
            return
        if not Path(path).is_file():
            raise RefusedError(f"no checkpoint {path}")
        super()._parse_ckpt_path()
        found = self.config[self.config.subcommand].model
        if found.class_path != asked:
            raise RefusedError(f"--model is {asked}, but {path} holds {found.class_path}")
        sizes = {name: found.get("init_args", {}).get(name) for name in LINKED}
        self.trained = {name: size for name, size in sizes.items() if size is not None}
        say(f"the options of the model are those of {path}")

    def instantiate_classes(self) -> None:
        """Build data, model and trainer.

        Raises:
            RefusedError: If a constructor refuses a value.
            Exception: What else a constructor raised.
        """
        try:
            super().instantiate_classes()
        except (ValueError, MisconfigurationException) as error:
            reason = unwrapped(error)
            if isinstance(reason, (ValueError, MisconfigurationException)):
                raise RefusedError(str(reason)) from reason
            raise reason from None

    def after_instantiate_classes(self) -> None:
        """Forget linked sizes that the model does not take: Lightning stores them in its checkpoints all the same.

        Without this, a checkpoint of a model without ``num_classes`` could not be given to ``graphml test``.

        Raises:
            RefusedError: If the data do not fit the checkpoint.
        """
        taken = self._get(self.config, "model").get("init_args", {})
        for name in LINKED:
            if name not in taken:
                self.model.hparams.pop(name, None)
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Refuse data whose features or classes are not those of the checkpoint.

        Any number of speakers fits: those beyond the training's share a vector. A task that knows its ``classes`` by
        name compares them itself.
        """
        compared = ["in_channels"] if hasattr(self.model, "classes") else ["in_channels", "num_classes"]
        for name in compared:
            trained, given = self.trained.get(name), getattr(self.datamodule, name, None)
            if trained is not None and given is not None and not _fits(given, trained):
                raise RefusedError(f"{name}: expected {trained} as in the checkpoint, got {given} from the data")

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Build the trainer, with what suits graphs where the configuration names nothing else.

        That is the CSV logger (nothing needs to be installed), one progress bar, and a checkpoint: of the best epoch
        where the task names a metric to ``monitor``, else of the last, at little cost.

        Args:
            **kwargs: Arguments of the trainer that go before the configuration.

        Returns:
            The trainer.
        """
        config = self._get(self.config_init, "trainer")
        given = [*(config.callbacks or [])]
        if config.enable_checkpointing is not False and not any(isinstance(each, ModelCheckpoint) for each in given):
            monitor = getattr(self._get(self.config_init, "model"), "monitor", None)
            given.append(SparseCheckpoint() if monitor is None else ModelCheckpoint(monitor=monitor, mode="max"))
        if config.enable_progress_bar is not False and not any(isinstance(each, ProgressBar) for each in given):
            given.append(EpochProgressBar())
        if config.logger in (None, True):
            kwargs["logger"] = CSVLogger(config.default_root_dir, name=self.subcommand)
        return super().instantiate_trainer(callbacks=given, **kwargs)


def _fits(given: Any, trained: Any) -> bool:
    """Whether a model takes data: those of the same size, or of several modalities that include its own."""
    if isinstance(given, dict) and isinstance(trained, dict):
        return trained.items() <= given.items()
    return bool(given == trained)


def unwrapped(error: BaseException) -> BaseException:
    """Return what a constructor raised: the parser wraps it, once for each level of nested classes.

    Args:
        error: The outermost exception.

    Returns:
        The first that the parser did not raise itself.
    """
    while error.__cause__ is not None and _raised_by_the_parser(error):
        error = error.__cause__
    return error


def _raised_by_the_parser(error: BaseException) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__", "").startswith("jsonargparse")


def say(message: str) -> None:
    """Tell the user something that is no result.

    Args:
        message: What to say.
    """
    print(f"graphml: {message}", file=sys.stderr)


def quiet_lightning() -> None:
    """Silence Lightning's tips and the warnings that do not apply to graphs on one device."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=f".*{message}")


def main(args: list[str]) -> int:
    """Run one of the training commands.

    Args:
        args: Command line arguments, the subcommand first.

    Returns:
        Exit status: 0, 2 if an option or a key of the configuration is wrong or a checkpoint does not fit the data, 3
        if the dataset is not on this machine.
    """
    try:
        trainer = GraphmlCLI(args).trainer
    except UsageError as error:
        command = f"graphml {args[0]}"
        print(f"{command}: error: {error}", file=sys.stderr)
        if not isinstance(error, RefusedError):
            hint = f"See '{command} --help', or '{command} --model.help CLASS' for the options of a class."
            print(hint, file=sys.stderr)
        return 2
    except graphml.data.DatasetMissingError as error:
        print(f"graphml {args[0]}: error: {error}", file=sys.stderr)
        return 3
    except graphml.tasks.UnknownClassError as error:
        print(f"graphml {args[0]}: error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise
        told = "the weights of the checkpoint are of other sizes than the options or the data ask for"
        print(f"graphml {args[0]}: error: {told}: {error}", file=sys.stderr)
        return 2
    print(f"Written to {trainer.log_dir}")
    return 0
