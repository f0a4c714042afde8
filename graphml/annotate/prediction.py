"""Emotions, uncertainty and the strongest relations of each utterance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphml.data import Conversations, PackedDialogues, PackedLoader
from graphml.evaluation import Uncertainty, decompose
from graphml.tasks import EmotionTask, Relations

STRONGEST = 6
"""Relations that are kept of each utterance."""


class StrongRelations(NamedTuple):
    """The strongest edges that reach each utterance, ordered by target and then from strong to weak.

    Attributes:
        source: ``[E]`` utterance that the edge comes from, in 0 to N - 1.
        target: ``[E]`` utterance that it reaches, another one.
        relation: ``[E]`` number of its relation.
        weight: ``[E]`` mean of the models' weights.
        names: Names of the relations.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    relation: NDArray[np.int64]
    weight: NDArray[np.float64]
    names: list[str]


class Annotations(NamedTuple):
    """What the models say about N utterances.

    Attributes:
        conversations: The utterances.
        classes: The C emotions.
        probabilities: ``[N, C]`` mean of the predictions.
        uncertainty: Its parts, ``[N]`` each.
        labels: ``[N]`` number of the known emotion, -1 where it is unknown or none of the classes.
        relations: The strongest relations, or None for models without a graph.
        method: How the uncertainty was found, for people.
    """

    conversations: Conversations
    classes: list[str]
    probabilities: Tensor
    uncertainty: Uncertainty
    labels: Tensor
    relations: StrongRelations | None
    method: str


def annotate(
    conversations: Conversations,
    models: Sequence[EmotionTask],
    packed: Sequence[PackedDialogues],
    samples: int = 20,
    seed: int = 0,
    batch_size: int = 16,
) -> Annotations:
    """Predict with one model and dropout, or with an ensemble and without.

    Args:
        conversations: The conversations.
        models: One model, or those of an ensemble, of the same classes.
        packed: The dialogues for each model, see `graphml.annotate.inputs.prepare`.
        samples: Passes with dropout of a single model (Gal and Ghahramani, 2016); 0 for one pass without.
        seed: Seed of the dropout.
        batch_size: Dialogues in a batch.

    Returns:
        The annotations.
    """
    single = len(models) == 1
    predictions, edges = [], []
    for model, data in zip(models, packed, strict=True):
        start, parts = 0, []
        with torch.inference_mode():
            for batch in PackedLoader(data, batch_size):
                parts.append(model.probabilities(batch, samples if single else 0, seed).cpu())
                found = model.relations(batch)
                if found is not None:
                    shifted = found.edge_index.cpu().long() + start
                    edges.append(Relations(shifted, found.relation, found.weight, found.names))
                start += batch.num_utterances
        predictions.append(torch.cat(parts, dim=1))
    p = torch.cat(predictions).double()
    names = {name: number for number, name in enumerate(models[0].classes)}
    return Annotations(
        conversations=conversations,
        classes=list(models[0].classes),
        probabilities=p.mean(0),
        uncertainty=decompose(p),
        labels=torch.tensor([names.get(u.label, -1) for u in conversations.utterances]),
        relations=strongest(edges, len(models)) if edges else None,
        method=_method(len(models), samples),
    )


def strongest(edges: Sequence[Relations], num_models: int = 1, most: int = STRONGEST) -> StrongRelations:
    """Keep the strongest edges that reach each utterance.

    Args:
        edges: Edges of all batches and models, in one numbering of the utterances; edges of an utterance with itself
            are left out.
        num_models: Number of models; the weights of an edge that several give are averaged over all.
        most: Edges to keep of each utterance.

    Returns:
        The edges.
    """
    names = list(dict.fromkeys(name for part in edges for name in part.names))
    rows, weights = [], []
    for part in edges:
        number = torch.tensor([names.index(name) for name in part.names], dtype=torch.int64)
        relation = number[part.relation.cpu().long()]
        rows.append(torch.stack([part.edge_index[1], part.edge_index[0], relation], dim=1))
        weights.append(part.weight.detach().cpu().double())
    row, weight = torch.cat(rows).numpy(), torch.cat(weights).numpy()
    others = row[:, 0] != row[:, 1]
    row, inverse = np.unique(row[others], axis=0, return_inverse=True)
    weight = np.bincount(inverse, weight[others], minlength=len(row)) / num_models
    order = np.lexsort((-weight, row[:, 0]))
    row, weight = row[order], weight[order]
    rank = np.arange(len(row)) - np.searchsorted(row[:, 0], row[:, 0])
    target, source, relation = row[rank < most].T
    return StrongRelations(source, target, relation, weight[rank < most], names)


def _method(num_models: int, samples: int) -> str:
    if num_models > 1:
        return f"deep ensemble of {num_models} models"
    return f"Monte-Carlo dropout, {samples} passes" if samples else "one model, one pass"
