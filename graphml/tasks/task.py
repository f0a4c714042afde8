"""What every task shares: construction from configuration, checkpoints of plain values, seeds of a step."""

import abc
import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

_INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"


def factory_config(factory: Any) -> Any:
    """A class or a ``functools.partial`` of one as ``{"class_path", "init_args"}``; other values as they are.

    A model's own factories (its edge weights, say) are written likewise. Defaults are written out: the parser that
    reads the configuration would fill gaps from the task's own default.

    Raises:
        TypeError: A factory that has no import path (a lambda, a local class), which no checkpoint could name.
    """
    if isinstance(factory, dict):
        return {name: factory_config(value) for name, value in factory.items()}
    if not callable(factory) or isinstance(factory, nn.Module):
        return factory
    keywords = {}
    if isinstance(factory, functools.partial) and not factory.args:
        factory, keywords = factory.func, dict(factory.keywords)
    if not inspect.isclass(factory) or "<locals>" in factory.__qualname__:
        raise TypeError(
            f"expected a class or functools.partial(Class, key=value), which a checkpoint names, got {factory}"
        )
    parameters = list(inspect.signature(factory).parameters.values())[1:]  # the first is given at the call
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    arguments = factory_config(defaults | keywords)
    return {"class_path": f"{factory.__module__}.{factory.__qualname__}", "init_args": arguments}


class Task(pl.LightningModule, abc.ABC):
    """Base of the tasks: ``prepare``, ``loss``, ``counts`` and ``metrics`` need no Trainer.

    A subclass has an ``encoder``, sets ``lr``, ``weight_decay`` and ``filter_lr``, and calls
    ``self.save_hyperparameters()``. Created by the command line, its hyper-parameters are the configuration already;
    created from Python, factories are written as configuration when a checkpoint is saved, so that checkpoints hold
    plain values and both load with ``weights_only`` through the same instantiator.
    """

    has_statistics = False  # whether ``prepare`` takes statistics of the examples that training needs

    encoder: nn.Module
    lr: float
    weight_decay: float
    filter_lr: float

    @property
    def network(self) -> nn.Module:
        """What ``loss`` takes as its model: all that is trained to make predictions."""
        return self

    @abc.abstractmethod
    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of ``model``, such as ``network``, on a batch, and metrics; draws from ``generator`` alone.

        Args:
            model: The network, or a stand-in that computes the same.
            batch: A batch of the loader.
            generator: Where all random numbers come from but those of dropout.
        """

    @abc.abstractmethod
    def counts(self, model: nn.Module, batch: Any, stage: str) -> dict[str, Tensor]:
        """Additive statistics of the predictions on a batch: those of batches, and of clients, are summed by name.

        Args:
            model: The network in evaluation mode.
            batch: A batch of the loader.
            stage: Whose items count where a batch holds several splits: ``train``, ``val`` or ``test``.
        """

    @abc.abstractmethod
    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Metrics from summed counts.

        Args:
            counts: Sums of what ``counts`` returned.
        """

    def final_metrics(self, batch: Any) -> dict[str, float]:
        """Metrics of the trained task that do not add up over batches, such as those of a probe; none by default.

        Args:
            batch: All data in one batch.

        Returns:
            Values by ``<split>/<metric>``.
        """
        return {}

    def on_fit_start(self) -> None:
        """Prepare for the data module's graph."""
        data = getattr(getattr(self.trainer, "datamodule", None), "data", None)
        if data is not None:
            self.prepare(data)

    def prepare(self, data: Any) -> None:
        """Let the encoder keep the training graph's spectral density, so that the checkpoint holds it.

        Whoever trains by :meth:`loss` without a Trainer calls it first.

        Args:
            data: The graph; one without a ``density`` changes nothing.
        """
        density = getattr(data, "density", None)
        set_density = getattr(self.encoder, "set_density", None)
        if density is not None and set_density is not None:
            set_density(density)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters, the encoder's ``filter_parameters`` in a group of their own, without decay."""
        filters = list(getattr(self.encoder, "filter_parameters", list)())
        chosen = {id(parameter) for parameter in filters}
        groups: list[dict[str, Any]] = [
            {"params": [parameter for parameter in self.parameters() if id(parameter) not in chosen]}
        ]
        if filters:
            groups.append({"params": filters, "lr": self.filter_lr, "weight_decay": 0.0})
        return torch.optim.Adam(groups, lr=self.lr, weight_decay=self.weight_decay)

    @contextlib.contextmanager
    def seeded(self, step: int) -> Iterator[torch.Generator]:
        """Generator of one step, from the run's seed and the step alone: a resumed run draws the same numbers.

        Layers that draw from the global stream (dropout) do so from a copy with the same seed.
        """
        generator = torch.Generator().manual_seed((torch.initial_seed() * 1_000_003 + step) % 2**63)
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())
            yield generator

    @property
    def batches_seen(self) -> int:
        """Number of training batches before this one, which under gradient accumulation are more than the steps."""
        return int(self.trainer.fit_loop.total_batch_idx)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Replace factories by their import paths.

        Raises:
            TypeError: A factory that has no import path, so that the checkpoint could not make the task again.
        """
        hparams = checkpoint.get("hyper_parameters", {})
        if "_instantiator" not in hparams:
            # Lightning leaves out, with a warning, what cannot be pickled: a lambda, for one.
            for name in sorted(inspect.signature(type(self)).parameters.keys() - hparams.keys()):
                raise TypeError(
                    f"{name}: expected a class or functools.partial(Class, key=value), which a checkpoint names, "
                    "got what cannot be pickled; pass such a factory, or train with enable_checkpointing=False"
                )
            plain = {key: factory_config(value) for key, value in hparams.items()}
            checkpoint["hyper_parameters"] = plain | {"_instantiator": _INSTANTIATOR}


def num_seeds(batch: Any) -> int:
    """Number of nodes that the loss of a batch counts: the seeds of a sampled batch, all nodes of a full graph."""
    return int(getattr(batch, "batch_size", None) or batch.num_nodes)
