"""Self-supervised learning of node embeddings, evaluated with a frozen encoder."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from graphml.evaluation import LinearProbe
from graphml.models import WaveletEncoder
from graphml.tasks.objectives import InfoNCE
from graphml.tasks.task import Task, num_seeds


class ContrastiveTask(Task):
    """Trains an encoder without labels; ``test`` freezes it and fits a linear probe on its embeddings.

    With the defaults it is the reconstruction of ASWT-SGNN (AAAI 2024): a wavelet encoder under InfoNCE. No label is
    read in ``fit``.

    Args:
        in_channels: Number of features of a node (linked from the datamodule on the command line).
        encoder: Class or partial that makes the encoder from ``in_channels``; default ``WaveletEncoder``. (``None``
            stands for it because the command line would hand the default class's options on to any other class.)
        objective: Class or partial of :mod:`graphml.tasks.objectives` that makes the objective from the encoder;
            default ``InfoNCE``.
        lr: Learning rate of Adam.
        weight_decay: L2 penalty of Adam.
        filter_lr: Learning rate of the encoder's ``filter_parameters`` (scales, mixing weights), which have no weight
            decay; default ``lr``. In a hundred steps at a usual ``lr`` a scale hardly leaves its start.
    """

    def __init__(
        self,
        in_channels: int,
        encoder: Callable[[int], nn.Module] | None = None,
        objective: Callable[[nn.Module], nn.Module] | None = None,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        filter_lr: float | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder = (encoder or WaveletEncoder)(in_channels)
        self.objective = (objective or InfoNCE)(self.encoder)
        self.lr = lr
        self.weight_decay = weight_decay
        self.filter_lr = lr if filter_lr is None else filter_lr
        self.embeddings: Tensor | None = None
        self.labels: Tensor | None = None
        self._collected: list[tuple[Tensor, Tensor, dict[str, Tensor]]] = []

    @property
    def network(self) -> nn.Module:
        """The encoder: embeddings are what is learned."""
        return self.encoder

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Objective's loss of ``model``'s embeddings on a batch, and metrics; draws from ``generator`` alone."""
        loss: Tensor = self.objective(model, batch, generator)
        return loss, {"loss": loss.detach()}

    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Nodes, and their objective on fixed views, the same in every stage: there is no label to count."""
        loss, _ = self.loss(model, batch, torch.Generator().manual_seed(0))
        nodes = num_seeds(batch)
        return {"loss": loss.double() * nodes, "count": torch.tensor(nodes)}

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Mean of the objective."""
        return {"loss": float(counts["loss"] / counts["count"].clamp(min=1))}

    def forward(self, batch: Any) -> Tensor:
        """Embeddings ``[num_seeds, d]`` of the batch's (seed) nodes."""
        z: Tensor = self.encoder(batch.x, batch.edge_index, batch.edge_weight, getattr(batch, "density", None))
        return z[: num_seeds(batch)]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One step of the objective."""
        with self.seeded(self.batches_seen) as generator:
            loss, metrics = self.loss(self.network, batch, generator)
        self._log("train", metrics, num_seeds(batch))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """The objective on fixed views; still without labels."""
        with self.seeded(batch_idx) as generator:
            _, metrics = self.loss(self.network, batch, generator)
        self._log("val", metrics, num_seeds(batch))

    def _log(self, stage: str, metrics: dict[str, Tensor], batch_size: int) -> None:
        values = {f"{stage}_{name}": value for name, value in metrics.items()}
        self.log_dict(values, prog_bar=True, on_step=False, on_epoch=True, batch_size=batch_size)

    def _fill_norms(self, loader: Any) -> None:
        """Give an encoder that never trained the BatchNorm statistics of the clean graph, instead of none."""
        norms = [module for module in self.encoder.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if norms and not any(norm.num_batches_tracked for norm in norms):
            update_bn(loader, self, self.device)

    def on_predict_start(self) -> None:
        """Make an untrained encoder comparable with a trained one."""
        self._fill_norms(self.trainer.predict_dataloaders)

    def on_test_epoch_start(self) -> None:
        """Forget the embeddings of an earlier test; make an untrained encoder comparable with a trained one."""
        self._collected = []
        self._fill_norms(self.trainer.test_dataloaders)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Collect frozen embeddings, labels and splits of the (seed) nodes."""
        seeds = slice(num_seeds(batch))
        splits = {label: torch.stack([mask[seeds].cpu() for mask in split]) for label, split in batch.splits.items()}
        self._collected.append((self(batch).cpu(), batch.y[seeds].cpu(), splits))

    def on_test_epoch_end(self) -> None:
        """Probe the embeddings on every split of the data: mean accuracy over a split's repetitions."""
        embeddings, labels, splits = zip(*self._collected, strict=True)
        self.embeddings, self.labels = torch.cat(embeddings), torch.cat(labels)
        joined = {label: torch.cat([split[label] for split in splits], dim=1) for label in splits[0]}
        for name, accuracy in probe_accuracies(self.embeddings, self.labels, joined).items():
            self.log(name, accuracy, batch_size=self.labels.numel())

    @torch.no_grad()
    def final_metrics(self, batch: Any) -> dict[str, float]:
        """Accuracies of the probe on frozen embeddings of a whole graph, as `graphml test` logs them."""
        self.eval()
        splits = {label: torch.stack(list(split)) for label, split in batch.splits.items()}
        return probe_accuracies(self(batch), batch.y, splits)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Embeddings of the batch's nodes."""
        z: Tensor = self(batch)
        return z


def probe_accuracies(embeddings: Tensor, labels: Tensor, splits: dict[str, Tensor]) -> dict[str, float]:
    """Probe embeddings on every split: mean accuracy over a split's repetitions.

    Args:
        embeddings: ``[N, d]``, frozen.
        labels: ``[N]``.
        splits: For each label of a split the masks of training, validation and test, bool ``[3, N, repetitions]``.

    Returns:
        ``<label>/val_accuracy`` and ``<label>/test_accuracy``.
    """
    probe, out = LinearProbe(), {}
    for label, masks in splits.items():
        results = [probe.evaluate(embeddings, labels, *mask) for mask in masks.unbind(dim=2)]
        for name in ("val_accuracy", "test_accuracy"):
            out[f"{label}/{name}"] = sum(getattr(result, name) for result in results) / len(results)
    return out
