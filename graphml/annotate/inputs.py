"""What annotation starts from: trained models, conversations, and the features that the models need."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphml.data import Conversations, PackedDialogues, read_conversations
from graphml.ops import DialogueBatch


class InputError(ValueError):
    """An input that cannot be annotated; the message says which, what was expected and what to do."""


class RelationEdges(NamedTuple):
    """Weighted edges between the N utterances of a batch; what a task's ``relations`` returns.

    Attributes:
        edge_index: ``[2, E]`` source and target of each.
        relation: ``[E]`` number of its relation.
        weight: ``[E]`` how much it counts, at least 0.
        names: Names of the relations.
    """

    edge_index: Tensor
    relation: Tensor
    weight: Tensor
    names: Sequence[str]


class EmotionModel(Protocol):
    """What annotation asks of a model; `graphml.tasks.EmotionTask` has it.

    Attributes:
        classes: The C emotions.
        in_channels: Width of the features of each modality that it takes.
        extractors: State of the feature extractor of each modality, where the model keeps one.
    """

    classes: list[str]
    in_channels: Mapping[str, int]
    extractors: Mapping[str, dict[str, Any]]

    def probabilities(self, batch: DialogueBatch, samples: int = 0, seed: int = 0) -> Tensor:
        """Return ``[max(samples, 1), N, C]``: passes with dropout, or one without when samples is 0."""

    def relations(self, batch: DialogueBatch) -> Any:
        """Return the edges that the model weighs (see `RelationEdges`), or None for a model without a graph."""


def load_model(path: str | Path) -> EmotionModel:
    """Load the checkpoint of an emotion task.

    Args:
        path: The checkpoint.

    Returns:
        The task, on the CPU.

    Raises:
        InputError: If there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise InputError(f"no checkpoint {path}: expected the file that training wrote, such as .../last.ckpt")
    task_class = _emotion_task()
    try:
        task = task_class.load_from_checkpoint(path, map_location="cpu")
    except Exception as error:  # what a file that is no checkpoint, or of another task, raises is beyond listing
        raise InputError(f"{path}: expected a checkpoint of EmotionTask: {type(error).__name__}: {error}") from error
    if not isinstance(task, task_class):  # a checkpoint of the command line names its own class
        raise InputError(f"{path}: expected a checkpoint of EmotionTask, got one of {type(task).__name__}")
    model: EmotionModel = task.eval()
    return model


def load_models(paths: Sequence[str | Path]) -> list[EmotionModel]:
    """Load one checkpoint, or those of an ensemble.

    Args:
        paths: The checkpoints.

    Returns:
        The tasks.

    Raises:
        InputError: If one cannot be loaded, or they tell different emotions apart.
    """
    models = [load_model(path) for path in paths]
    for path, model in zip(paths, models, strict=True):
        if list(model.classes) != list(models[0].classes):
            raise InputError(
                f"{path}: expected the emotions of {paths[0]}, {', '.join(models[0].classes)}, "
                f"got {', '.join(model.classes)}; an ensemble needs models of the same task"
            )
    return models


def load_conversations(path: str | Path) -> Conversations:
    """Read the conversations to annotate.

    Args:
        path: Folder or CSV file, see `graphml.data.read_conversations`.

    Returns:
        The conversations.
    """
    return read_conversations(path)


def prepare(conversations: Conversations, models: Sequence[EmotionModel]) -> list[PackedDialogues]:
    """Give each model the features that it takes: the folder's own, else extracted ones, else rows of NaN.

    Args:
        conversations: The conversations.
        models: The models; those with the same extractor share what it extracts.

    Returns:
        The dialogues for each model.

    Raises:
        InputError: If the conversations have none of a model's modalities, or features of another width.
    """
    extracted: dict[bytes, NDArray[np.float32]] = {}
    packed = []
    absent: dict[str, None] = {}
    for model in models:
        features: dict[str, NDArray[np.float32]] = {}
        for name in model.in_channels:
            if name in conversations.features:
                features[name] = conversations.features[name]
            elif model.extractors.get(name):
                key = pickle.dumps((name, model.extractors[name]))
                if key not in extracted:
                    extracted[key] = _extract(conversations, name, model.extractors[name])
                features[name] = extracted[key]
        present = {name: x for name, x in features.items() if not np.isnan(x).all()}
        absent |= dict.fromkeys(name for name in model.in_channels if name not in present)
        packed.append(_pack(conversations.with_features(_complete(present, model.in_channels, conversations))))
    for name in absent:
        print(f"graphml annotate: warning: no {name} features: predicting without them", file=sys.stderr)
    return packed


def _complete(
    present: dict[str, NDArray[np.float32]], widths: Mapping[str, int], conversations: Conversations
) -> dict[str, NDArray[np.float32]]:
    """Check the widths, and mark what is missing by rows of NaN."""
    if not present:
        raise InputError(
            f"expected features of {' or '.join(widths)}, got none: add {' or '.join(f'{name}.npz' for name in widths)}"
            " to the folder, or use a checkpoint that keeps its extractors and conversations with text or audio files"
        )
    out = {}
    for name, width in widths.items():
        out[name] = present.get(name, np.full((len(conversations.utterances), width), np.nan, np.float32))
        if out[name].shape[1] != width:
            raise InputError(
                f"{name}: expected {width} features as in training, got {out[name].shape[1]}; "
                "extract them in the way that the training data were"
            )
    return out


# The parts of the library that this command joins, each imported here and nowhere else.


def _emotion_task() -> Any:
    from graphml.tasks import EmotionTask

    return EmotionTask


def _extract(conversations: Conversations, modality: str, state: dict[str, Any]) -> NDArray[np.float32]:
    from graphml.data.features import extract_features, load_extractor

    return extract_features(conversations, {modality: load_extractor(state)})[modality]


def _pack(conversations: Conversations) -> PackedDialogues:
    features = {name: torch.from_numpy(x) for name, x in conversations.features.items()}
    return PackedDialogues(torch.from_numpy(conversations.lengths), torch.from_numpy(conversations.speakers), features)
