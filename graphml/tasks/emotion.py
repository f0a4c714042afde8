"""Emotion recognition in conversation: any model of dialogues under class-weighted cross-entropy, with its extras."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.data import PackedDialogues
from graphml.evaluation import EmotionReport, emotion_report
from graphml.losses import MinorityContrastiveLoss
from graphml.models import DERGCN
from graphml.nn import UtteranceFeatures
from graphml.ops import DialogueBatch
from graphml.tasks.task import Task

# Modules that drop out by themselves; a Transformer layer's own flag only keeps it off torch's path without dropout.
DROPS_OUT = (nn.Dropout, nn.GRU, nn.MultiheadAttention, nn.TransformerEncoderLayer)


class Relations(NamedTuple):
    """The graph that a model laid over some dialogues.

    Attributes:
        edge_index: ``[2, E]`` source and target of each edge.
        relation: ``[E]`` relation of each edge.
        weight: ``[E]`` share of the edge in what its target takes in under its relation.
        names: Names of the relations.
    """

    edge_index: Tensor
    relation: Tensor
    weight: Tensor
    names: list[str]


class UnknownClassError(ValueError):
    """Data with emotions that the model was not trained to tell."""


class EmotionTask(Task):
    """Trains a model of dialogues to name the emotion of each utterance.

    The loss is the class-weighted cross-entropy; for models that offer them (`graphml.models.DERGCN`) a reconstruction
    loss and a contrastive loss for rare emotions are added. Utterances without a label are context and count nowhere.
    What the data know (class names, statistics of the features, how they were extracted and events linked) is taken
    when training starts and kept in the checkpoint, which is then all that `graphml annotate` needs. Data to test on
    may have fewer emotions, and in another order: they are matched by name.

    Args:
        in_channels: Modalities and the features of each (linked from the data module on the command line).
        num_classes: Number of emotions (linked).
        num_speakers: Most speakers in a dialogue (linked).
        model: Class or partial that makes the model from modalities, classes and speakers; default ``DERGCN``.
        lr: Learning rate of AdamW.
        weight_decay: Its decoupled weight decay.
        class_weight: Exponent of the classes' inverse frequency in the cross-entropy: 0 for none, 1 for balance.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        reconstruction_weight: Weight of the model's reconstruction loss, not negative; 0 leaves it out.
        contrastive_weight: Weight of `MinorityContrastiveLoss`, likewise.
        tau: Its temperature.
        focal: Its focal exponent.
        augment: Its augmentation of rare classes, a share in [0, 1].
        relative: Modalities that also get speaker-relative features, see `graphml.nn.UtteranceFeatures`.

    Raises:
        ValueError: If a weight is out of range.
    """

    has_statistics = True
    monitor = "val_weighted_f1"  # the command line keeps the checkpoint of the epoch where this is highest

    def __init__(
        self,
        in_channels: dict[str, int],
        num_classes: int,
        num_speakers: int = 2,
        model: Callable[[dict[str, int], int, int], nn.Module] | None = None,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        class_weight: float = 0.0,
        label_smoothing: float = 0.0,
        reconstruction_weight: float = 0.1,
        contrastive_weight: float = 0.1,
        tau: float = 0.2,
        focal: float = 0.0,
        augment: float = 0.0,
        relative: list[str] = ["audio"],  # noqa: B006  # never changed, and shown as it is by --help
    ) -> None:
        super().__init__()
        weights = {"class_weight": class_weight, "reconstruction_weight": reconstruction_weight}
        for name, value in (weights | {"contrastive_weight": contrastive_weight}).items():
            if value < 0:
                raise ValueError(f"{name}: expected at least 0, got {value}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected a share in [0, 1), got {label_smoothing}")
        self.save_hyperparameters()
        self.inputs = UtteranceFeatures(in_channels, relative)
        self.model = (model or DERGCN)(self.inputs.out_channels, num_classes, num_speakers)
        self.contrastive = MinorityContrastiveLoss(tau, focal, augment)
        self.lr, self.weight_decay = lr, weight_decay
        self.class_weight, self.label_smoothing = class_weight, label_smoothing
        self.reconstruction_weight, self.contrastive_weight = reconstruction_weight, contrastive_weight
        self.register_buffer("weight_of_class", torch.ones(num_classes))
        self.classes = _placeholders(num_classes)
        self.extractors: dict[str, dict[str, Any]] = {}
        self.linker: dict[str, Any] | None = {}  # of what links events; None where nothing does, empty where unknown
        self.report: EmotionReport | None = None
        self.relation_attention: tuple[list[str], Tensor] | None = None
        self._seen: list[tuple[Tensor, Tensor, Tensor | None]] = []
        self._number_of = torch.empty(0, dtype=torch.int64)  # the model's number of each class of the data, then -1

    @property
    def in_channels(self) -> dict[str, int]:
        """Modalities that the task takes, and the features of each."""
        return dict(self.inputs.in_channels)

    @property
    def network(self) -> nn.Module:
        """The model of dialogues, behind the preparation of their features."""
        return self.model

    def on_fit_start(self) -> None:
        """Take from the data what the checkpoint shall hold."""
        data = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        if self.trainer.ckpt_path is not None:  # a resumed run has it all from its checkpoint
            if list(data.classes) != self.classes:
                raise UnknownClassError(
                    _expected("those of the checkpoint, in their order,", self.classes, data.classes)
                )
            return
        self.prepare(data.training_dialogues)
        self.classes = list(data.classes)
        self.extractors = dict(getattr(data, "extractors", {}))
        self.linker = getattr(data, "linker_state", {})

    def prepare(self, data: DialogueBatch | PackedDialogues) -> None:
        """Take the statistics of the features and the weights of the classes from the dialogues to train on.

        Whoever trains by :meth:`loss` without a Trainer calls it first.

        Args:
            data: Labelled dialogues: those of the training split, or of a client of a federation.

        Raises:
            ValueError: If there are no labels, or a modality of the task is not there.
        """
        if data.labels is None:
            raise ValueError("data.labels: expected labels to train on, got None")
        self.inputs.fit(data.features)
        known = data.labels[data.labels >= 0]
        counts = torch.bincount(known, minlength=self.get_buffer("weight_of_class").numel()).float()
        weight = (counts.sum() / (len(counts) * counts)).pow(self.class_weight)
        # Label smoothing would pull towards a class that never occurs, the more the rarer it seems.
        self.get_buffer("weight_of_class").copy_(weight.masked_fill(counts == 0, 0.0))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all parameters."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def standardize(self, batch: DialogueBatch) -> DialogueBatch:
        """The batch with the features that the model takes."""
        return dataclasses.replace(batch, features=self.inputs(batch))

    def loss(
        self, model: nn.Module, batch: DialogueBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy and what the model adds to it, and the parts by name.

        Args:
            model: The model, such as ``self.model``.
            batch: Labelled dialogues, as the loader gives them.
            generator: Where masks and augmentation come from.
        """
        if batch.labels is None:
            raise ValueError("batch.labels: expected labels to train on, got None")
        ready, labels = self.standardize(batch), batch.labels
        parts: dict[str, Tensor] = {}
        encode = getattr(model, "encode", None)
        if encode is None:
            logits = model(ready)
        else:
            encoded = encode(ready)
            logits = model.head(encoded.hidden)  # type: ignore[operator]
            if self.reconstruction_weight:
                parts["reconstruction"] = model.reconstruction_loss(encoded, generator)  # type: ignore[operator]
            if self.contrastive_weight:
                parts["contrastive"] = self.contrastive(model.project(encoded), labels, generator)  # type: ignore[operator]
        total = self._cross_entropy(logits, labels)
        for name, value in parts.items():
            total = total + getattr(self, f"{name}_weight") * value
        return total, {"loss": total.detach(), **{name: value.detach() for name, value in parts.items()}}

    def counts(self, model: nn.Module, batch: DialogueBatch, stage: str) -> dict[str, Tensor]:
        """Confusion matrix ``[C, C]``, label by prediction, of the labelled utterances, and the sum of their losses."""
        if batch.labels is None:
            raise ValueError("batch.labels: expected labels to evaluate on, got None")
        known = batch.labels >= 0
        logits, labels = model(self.standardize(batch))[known], batch.labels[known].long()
        size = logits.size(1)
        pairs = torch.bincount(labels * size + logits.argmax(1), minlength=size * size)
        return {"loss": F.cross_entropy(logits.double(), labels, reduction="sum"), "confusion": pairs.view(size, size)}

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        """Mean cross-entropy, accuracy, weighted and macro F1."""
        confusion = counts["confusion"].double()
        right, support, predicted = confusion.diag(), confusion.sum(1), confusion.sum(0)
        total = support.sum().clamp(min=1)
        f1 = 2 * right / (support + predicted).clamp(min=1)
        occurs = (support + predicted > 0).sum().clamp(min=1)
        return {
            "loss": float(counts["loss"] / total),
            "accuracy": float(right.sum() / total),
            "weighted_f1": float((f1 * support).sum() / total),
            "macro_f1": float(f1.sum() / occurs),
        }

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Logits ``[N, num_classes]`` of a batch as the loader gives it."""
        logits: Tensor = self.model(self.standardize(batch))
        return logits

    def probabilities(self, batch: DialogueBatch, samples: int = 0, seed: int = 0) -> Tensor:
        """Probabilities of the emotions, by Monte-Carlo dropout (Gal and Ghahramani, ICML 2016) where asked for.

        Args:
            batch: N utterances.
            samples: Passes with dropout; 0 for one without.
            seed: Seed of the dropout.

        Returns:
            ``[max(samples, 1), N, num_classes]``.
        """
        was_training = self.training
        self.eval()
        for module in self.modules():
            # Dropout alone, also that within a GRU or a Transformer: nothing else may differ from evaluation.
            module.training = bool(samples) and isinstance(module, DROPS_OUT)
        try:
            with torch.no_grad(), torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(seed)
                return torch.stack([self(batch).softmax(dim=1) for _ in range(max(samples, 1))])
        finally:
            self.train(was_training)

    def relations(self, batch: DialogueBatch) -> Relations | None:
        """The graph that the model lays over a batch; None for models without one that can be shown.

        Args:
            batch: N utterances.
        """
        if not isinstance(self.model, DERGCN):
            return None
        was_training = self.training
        self.eval()
        with torch.no_grad():
            encoded = self.model.encode(self.standardize(batch))
        self.train(was_training)
        names = self.model.relation_names
        edge_index, relation, _ = encoded.edges
        key = edge_index[1] * len(names) + relation
        total = encoded.weight.new_zeros(batch.num_utterances * len(names)).index_add_(0, key, encoded.weight)
        share = encoded.weight / total[key].clamp(min=1e-12) * encoded.attention[edge_index[1], relation]
        return Relations(edge_index, relation, share, list(names))

    def training_step(self, batch: DialogueBatch, batch_idx: int) -> Tensor:
        """One step on a batch of dialogues."""
        with self.seeded(self.batches_seen) as generator:
            loss, parts = self.loss(self.model, batch, generator)
        values = {f"train_{name}": value for name, value in parts.items()}
        self.log_dict(values, prog_bar=True, on_step=False, on_epoch=True, batch_size=batch.num_utterances)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the predictions of an earlier epoch."""
        self._seen = []
        self._match_classes()

    def on_test_epoch_start(self) -> None:
        """Forget the predictions of an earlier test."""
        self._seen = []
        self._match_classes()

    def validation_step(self, batch: DialogueBatch, batch_idx: int) -> None:
        """Collect predictions."""
        self._collect(batch)

    def test_step(self, batch: DialogueBatch, batch_idx: int) -> None:
        """Collect predictions and, where there are relations, their weights."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Weighted F1, accuracy and loss of the validation split, whole."""
        report, loss = self._report()
        self.log_dict(
            {"val_loss": loss, "val_weighted_f1": report.weighted_f1, "val_accuracy": report.accuracy},
            prog_bar=True,
            batch_size=int(report.support.sum()),
        )

    def on_test_epoch_end(self) -> None:
        """All metrics of the test split; the report stays for the figures."""
        self.report, _ = self._report()
        values = {name: getattr(self.report, name) for name in ("weighted_f1", "accuracy", "macro_f1")}
        values |= {"calibration_error": self.report.calibration_error}
        values |= {f"f1 {name}": float(f1) for name, f1 in zip(self.classes, self.report.class_f1, strict=True)}
        named = {f"test/{name}": value for name, value in values.items()}
        self.log_dict(named, batch_size=int(self.report.support.sum()))
        attention = [part for _, _, part in self._seen if part is not None]
        if attention and isinstance(self.model, DERGCN):
            self.relation_attention = (self.model.relation_names, torch.cat(attention).mean(0))

    def predict_step(self, batch: DialogueBatch, batch_idx: int) -> Tensor:
        """Probabilities ``[N, num_classes]`` of the batch's utterances."""
        logits: Tensor = self(batch)
        return logits.softmax(dim=1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the data know."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["corpus"] = {"classes": self.classes, "extractors": self.extractors, "linker": self.linker}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what the data knew."""
        corpus = checkpoint.get("corpus", {})
        self.classes = list(corpus.get("classes", self.classes))
        self.extractors = dict(corpus.get("extractors", {}))
        self.linker = corpus.get("linker", {})

    def _match_classes(self) -> None:
        """Find the model's numbers of the data's classes by their names: numbers alone mean nothing.

        Raises:
            UnknownClassError: If the data have emotions that the model was not trained to tell.
        """
        given = list(getattr(getattr(self.trainer, "datamodule", None), "classes", self.classes))
        if self.classes == _placeholders(len(given)):
            self.classes = given  # never trained
        if not set(given) <= set(self.classes):
            raise UnknownClassError(_expected("some of those of the training,", self.classes, given))
        self._number_of = torch.tensor([*map(self.classes.index, given), -1])

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        if not bool((labels >= 0).any()):
            return logits.sum() * 0.0
        weight = self.get_buffer("weight_of_class")
        return F.cross_entropy(logits, labels, weight, ignore_index=-1, label_smoothing=self.label_smoothing)

    def _collect(self, batch: DialogueBatch) -> None:
        if batch.labels is None:
            raise ValueError("batch.labels: expected labels to evaluate on, got None")
        if isinstance(self.model, DERGCN):
            encoded = self.model.encode(self.standardize(batch))
            logits, attention = self.model.head(encoded.hidden), encoded.attention.cpu()
        else:
            logits, attention = self(batch), None
        self._seen.append((logits.cpu(), self._number_of[batch.labels.cpu()], attention))

    def _report(self) -> tuple[EmotionReport, float]:
        logits, labels = torch.cat([row[0] for row in self._seen]), torch.cat([row[1] for row in self._seen])
        loss = F.cross_entropy(logits, labels, ignore_index=-1)
        return emotion_report(logits.softmax(dim=1), labels, self.classes), float(loss)


def _placeholders(num_classes: int) -> list[str]:
    """Names of classes whose names are not known."""
    return [f"class {number}" for number in range(num_classes)]


def _expected(which: str, classes: list[str], given: list[str]) -> str:
    return f"classes: expected {which} {', '.join(classes)}, got {', '.join(given)}"
