"""Emotion recognition in conversation: any model of dialogues under class-weighted cross-entropy, with its extras."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphml.evaluation import EmotionReport, emotion_report
from graphml.losses import MinorityContrastiveLoss
from graphml.models import DERGCN
from graphml.nn import UtteranceFeatures
from graphml.ops import DialogueBatch
from graphml.tasks.task import Task


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


class EmotionTask(Task):
    """Trains a model of dialogues to name the emotion of each utterance.

    The loss is the class-weighted cross-entropy; for models that offer them (`graphml.models.DERGCN`) a reconstruction
    loss and a contrastive loss for rare emotions are added. Utterances without a label are context and count nowhere.
    What the data know (class names, statistics of the features, how features were made) is taken when training starts
    and kept in the checkpoint, which is then all that `graphml annotate` needs.

    Args:
        in_channels: Modalities and the features of each (linked from the data module on the command line).
        num_classes: Number of emotions (linked).
        num_speakers: Most speakers in a dialogue (linked).
        model: Class or partial that makes the model from modalities, classes and speakers; default ``DERGCN``.
        lr: Learning rate of Adam.
        weight_decay: Decoupled weight decay (AdamW).
        class_weight: Exponent of the classes' inverse frequency in the cross-entropy: 0 for none, 1 for balance.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        reconstruction_weight: Weight of the model's reconstruction loss, not negative; 0 leaves it out.
        contrastive_weight: Weight of the contrastive loss, likewise.
        contrastive: The contrastive loss; default ``MinorityContrastiveLoss()``.
        relative: Modalities that also get speaker-relative features, see `graphml.nn.UtteranceFeatures`.
        gradient_clip: Largest norm of the gradient.

    Raises:
        ValueError: If a weight is out of range.
    """

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
        contrastive: MinorityContrastiveLoss | None = None,
        relative: list[str] = ["audio"],  # noqa: B006  # never changed, and shown as it is by --help
    ) -> None:
        super().__init__()
        for name, value in (("class_weight", class_weight), ("reconstruction_weight", reconstruction_weight)):
            if value < 0:
                raise ValueError(f"{name}: expected at least 0, got {value}")
        if contrastive_weight < 0 or not 0 <= label_smoothing < 1:
            raise ValueError(
                "contrastive_weight, label_smoothing: expected at least 0 and a share in [0, 1), "
                f"got {contrastive_weight}, {label_smoothing}"
            )
        self.save_hyperparameters()
