"""What annotation starts from: trained models, conversations, and the features that the models need."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphml.data import Conversations, PackedDialogues
from graphml.data.conversation import EventLinker, load_linker, pack
from graphml.data.features import AudioError, extract_features, load_extractor
from graphml.ops import DialogueLinks
from graphml.tasks import EmotionTask


class InputError(ValueError):
    """An input that cannot be annotated; the message says which, what was expected and what to do."""


def load_model(path: str | Path) -> EmotionTask:
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
    try:
        task = EmotionTask.load_from_checkpoint(path, map_location="cpu")
    except Exception as error:  # what a file that is no checkpoint, or of another task, raises is beyond listing
        raise InputError(f"{path}: expected a checkpoint of EmotionTask: {type(error).__name__}: {error}") from error
    if not isinstance(task, EmotionTask):  # a checkpoint of the command line names its own class
        raise InputError(f"{path}: expected a checkpoint of EmotionTask, got one of {type(task).__name__}")
    return task.eval()


def load_models(paths: Sequence[str | Path]) -> list[EmotionTask]:
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


def prepare(
    conversations: Conversations, models: Sequence[EmotionTask], split: str | None = None
) -> list[PackedDialogues]:
    """Give each model the features that it takes (the folder's own, else extracted ones, else rows of NaN), and links.

    Args:
        conversations: The conversations.
        models: The models; those with the same extractor share what it extracts.
        split: Prepare the dialogues of this split alone.

    Returns:
        The dialogues for each model, their events linked as those that it was trained on.

    Raises:
        InputError: If the conversations have none of a model's modalities, or features of another width.
        ValueError: If a model's linker cannot be rebuilt.
    """
    conversations = conversations if split is None else conversations.only(split)
    extracted: dict[bytes, dict[str, NDArray[np.float32]]] = {}
    packed = []
    told: dict[str, None] = {}  # once, whatever the number of models
    for model in models:
        features = dict(conversations.features)
        for name in model.in_channels:
            if name not in features and name in model.extractors:
                key = pickle.dumps((name, model.extractors[name]))
                if key not in extracted:
                    extractor = load_extractor(model.extractors[name])
                    try:
                        extracted[key] = extract_features(conversations, {name: extractor})
                    except AudioError as error:  # no recording can be read: missing like any other
                        print(f"graphml annotate: warning: {error}", file=sys.stderr)
                        extracted[key] = {}
                features |= extracted[key]
        present = {name: features[name] for name in model.in_channels if not np.isnan(features.get(name, np.nan)).all()}
        absent = [name for name in model.in_channels if name not in present]
        told |= dict.fromkeys(f"no {name} features: predicting without them" for name in absent)
        complete = conversations.with_features(_complete(present, model.in_channels, len(conversations.utterances)))
        packed.append(pack(complete, links=_links(complete, model.linker, told)))
    for warning in told:
        print(f"graphml annotate: warning: {warning}", file=sys.stderr)
    return packed


def _complete(
    present: dict[str, NDArray[np.float32]], widths: Mapping[str, int], num_utterances: int
) -> dict[str, NDArray[np.float32]]:
    """Check the widths, and mark what is missing by rows of NaN."""
    if not present:
        raise InputError(
            f"expected features of {' or '.join(widths)}, got none: add {' or '.join(f'{name}.npz' for name in widths)}"
            " to the folder, or use a checkpoint that keeps its extractors and conversations with text or audio files"
        )
    out = {}
    for name, width in widths.items():
        out[name] = present.get(name, np.full((num_utterances, width), np.nan, np.float32))
        if out[name].shape[1] != width:
            raise InputError(
                f"{name}: expected {width} features as in training, got {out[name].shape[1]}; "
                "extract them in the way that the training data were"
            )
    return out


def _links(
    conversations: Conversations, state: Mapping[str, Any] | None, told: dict[str, None]
) -> DialogueLinks | None:
    """Event links as in training; none where the model had none, or where there is nothing to find them by."""
    if state is None:
        return None
    linker = load_linker(state) if state else EventLinker()  # unknown without a data module: the default
    try:
        return linker(conversations)
    except ValueError as error:
        told[f"no event links: {error}"] = None
        return None
