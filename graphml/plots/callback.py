"""Callback: the figures of a run, beside its logs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from matplotlib.figure import Figure
from torch import Tensor

from graphml.evaluation import EmotionReport
from graphml.io import atomic_write
from graphml.plots.confusion_matrix import confusion_matrix
from graphml.plots.embedding_projection import embedding_projection
from graphml.plots.filter_responses import filter_responses
from graphml.plots.per_class_bars import per_class_bars
from graphml.plots.relation_weights import relation_weights
from graphml.plots.reliability_diagram import reliability_diagram
from graphml.plots.training_curve import training_curve
from graphml.spectral import GRID_SIZE, cell_widths, spectral_grid


class FiguresCallback(pl.Callback):
    """Writes PNG figures to ``figures/`` in the log folder: what the task offers is drawn, the rest is left out.

    After ``fit`` the training loss (where ``train_loss`` is logged); after ``test`` the embeddings (where the task
    keeps ``embeddings`` and ``labels``), the filters of each layer (where its encoder has ``wavelet_layers``), the
    confusion matrix, the F1 of each class and the reliability (where it keeps a ``report``, see
    :func:`graphml.evaluation.emotion_report`), and the attention of each relation (where it keeps
    ``relation_attention``: the names of the R relations and a tensor [R]).

    Args:
        enabled: Draw at all.
        projection: ``tsne`` or ``pca``, see :func:`graphml.plots.embedding_projection`.
        max_points: Most embeddings to draw.
        seed: Seed of the projection.
    """

    def __init__(
        self,
        enabled: bool = True,
        projection: Literal["tsne", "pca"] = "tsne",
        max_points: int = 2000,
        seed: int = 0,
    ) -> None:
        self.enabled = enabled
        self.projection = projection
        self.max_points = max_points
        self.seed = seed
        self.losses: dict[int, Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the loss of the epoch.

        Args:
            trainer: The trainer, which has the metrics.
            pl_module: Unused.
        """
        if "train_loss" in trainer.callback_metrics:
            self.losses[trainer.current_epoch] = trainer.callback_metrics["train_loss"].detach().clone()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the training loss.

        Args:
            trainer: The trainer, which knows the log folder.
            pl_module: Unused.
        """
        if self._draws(trainer) and self.losses:
            losses = [float(loss) for loss in self.losses.values()]
            self._save(trainer, "training_curve", training_curve(list(self.losses), losses))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the embeddings, the filters, the report and the relations.

        Args:
            trainer: The trainer, which knows the log folder and the data.
            pl_module: The task that was tested.
        """
        if not self._draws(trainer):
            return
        z, y = getattr(pl_module, "embeddings", None), getattr(pl_module, "labels", None)
        if z is not None and y is not None:
            figure = embedding_projection(z, y, self.projection, self.seed, self.max_points)
            self._save(trainer, "embeddings", figure)
        layers = getattr(getattr(pl_module, "encoder", None), "wavelet_layers", [])
        for number, layer in enumerate(layers, start=1):
            self._save(trainer, f"filters_layer{number}", _draw_filters(layer))
        report: EmotionReport | None = getattr(pl_module, "report", None)
        if report is not None:
            confusion, bars = report.confusion, per_class_bars(report.class_f1, report.support, report.classes)
            self._save(trainer, "confusion_matrix", confusion_matrix(confusion, report.classes))
            self._save(trainer, "per_class", bars)
            self._save(trainer, "reliability", reliability_diagram(report.confidence, report.correct))
        attention: tuple[Sequence[str], Tensor] | None = getattr(pl_module, "relation_attention", None)
        if attention is not None:
            self._save(trainer, "relation_weights", relation_weights(attention[1], attention[0]))

    def _draws(self, trainer: pl.Trainer) -> bool:
        return self.enabled and trainer.is_global_zero and not trainer.fast_dev_run  # type: ignore[attr-defined]

    def _save(self, trainer: pl.Trainer, name: str, figure: Figure) -> None:
        with atomic_write(Path(trainer.log_dir or trainer.default_root_dir) / "figures" / f"{name}.png") as path:
            figure.savefig(path)


def _draw_filters(layer: Any) -> Figure:
    """Draw the filters of a wavelet layer over the density that it keeps."""
    lam = spectral_grid(device=layer.scales.device)
    density = layer.density.cpu() / (GRID_SIZE * cell_widths())  # per unit of lambda, not per cell of the grid
    num_scales = len(layer.scales) - layer.filters.low_pass
    kinds = ["low pass"] * layer.filters.low_pass + ["wavelet"] * num_scales
    names = [f"{kind}, scale {scale:.2f}" for kind, scale in zip(kinds, layer.scales.tolist(), strict=True)]
    return filter_responses(lam, layer.filter_response(lam), density, names, layer.fitted_response(lam))
