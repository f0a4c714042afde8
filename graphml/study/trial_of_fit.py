"""A trial of a run of kind ``fit``: training that is watched, and leaves no checkpoint."""

import pkgutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from graphml.lightning_cli import GraphmlCLI
from graphml.study.fit import arguments_of, tested
from graphml.study.watch import Watch


def monitor_of_fit(config: dict[str, Any]) -> str | None:
    """Return the metric whose best epoch ``graphml fit`` keeps.

    Args:
        config: Full configuration.

    Returns:
        Its name; None where the task names none, and the last epoch is kept.
    """
    monitor: str | None = getattr(pkgutil.resolve_name(config["model"]["class_path"]), "monitor", None)
    return monitor


def validate_fit(config: dict[str, Any], options: Sequence[str], seed: int, folder: Path, watch: Watch) -> float:
    """Train once for a validation metric, without checkpoint, logs and figures.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine.
        seed: Seed of everything.
        folder: Where Lightning writes the configuration.
        watch: What to watch, and where to report.

    Returns:
        The metric of the epoch that ``graphml fit`` keeps: the best where the task monitors it, else the last. Where no
        epoch measures it (learning without labels), that of the probe on the trained model, mean over the splits.

    Raises:
        ValueError: If the metric is not measured, or clients are to be drawn.
        KeyboardInterrupt: If training is interrupted.
    """
    if watch.rungs:
        raise ValueError("fidelity: expected none in a central study, which has no clients to draw")
    reporter = EpochReporter(watch, keeps_best=monitor_of_fit(config) == watch.monitor)
    quiet = ["--figures.enabled=false", "--trainer.logger=false", "--trainer.enable_checkpointing=false"]
    quiet.append("--trainer.enable_model_summary=false")
    try:
        cli = WatchedCLI([*arguments_of(config, options, seed, folder), *quiet], reporter)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from stop
    if reporter.value is not None:
        return reporter.value
    measured = tested(cli, "")
    values = [m.value for m in measured if m.metric == watch.monitor]
    if not values:
        there = ", ".join(dict.fromkeys(m.metric for m in measured if m.metric.startswith("val")))
        raise ValueError(f"monitor: expected a metric of the validation data ({there or 'none'}), got {watch.monitor}")
    return statistics.fmean(values)


class EpochReporter(pl.Callback):
    """Reports the monitored metric after each epoch.

    Args:
        watch: What to watch, and where to report.
        keeps_best: Whether the run keeps its best epoch; else its last.
    """

    def __init__(self, watch: Watch, keeps_best: bool) -> None:
        self.watch, self.keeps_best = watch, keeps_best
        self.value: float | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report; validation has been by then.

        Args:
            trainer: The trainer, which has the metrics.
            pl_module: Unused.
        """
        if self.watch.monitor in trainer.callback_metrics:
            new = float(trainer.callback_metrics[self.watch.monitor])
            better = min if self.watch.minimise else max
            self.value = better(self.value, new) if self.keeps_best and self.value is not None else new
        self.watch.report(trainer.current_epoch + 1, self.value)


class WatchedCLI(GraphmlCLI):
    """``graphml fit`` with a callback that is no option.

    Args:
        args: Command line arguments.
        reporter: The callback.
    """

    def __init__(self, args: list[str], reporter: EpochReporter) -> None:
        self.reporter = reporter
        super().__init__(args)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Build the trainer and add the callback.

        Args:
            **kwargs: Arguments of the trainer that go before the configuration.
        """
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks.append(self.reporter)  # type: ignore[attr-defined]
        return trainer
