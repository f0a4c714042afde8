"""Dialogues of different lengths side by side without padding: what every model of conversations takes."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor

from graphml.ops.dialogue_edges import DialogueEdges


class DialogueLinks(NamedTuple):
    """Weighted edges between utterances of the same dialogue that their content gives, such as shared events.

    Attributes:
        edge_index: ``[2, E]`` source and target of each edge, both directions of a link, no utterance with itself.
        weight: ``[E]`` strength of each, in (0, 1].
    """

    edge_index: Tensor
    weight: Tensor


@dataclasses.dataclass(frozen=True)
class DialogueBatch:
    """Some dialogues, their B lengths adding up to N utterances, end to end.

    Attributes:
        index: ``[B]`` number of each dialogue in the data it was selected from.
        lengths: ``[B]`` utterances of each dialogue.
        offsets: ``[B + 1]`` pointers: dialogue d holds the utterances ``offsets[d]`` to ``offsets[d + 1] - 1``.
        batch: ``[N]`` dialogue of each utterance, from 0 to B - 1 (PyG's ``batch`` vector).
        position: ``[N]`` place of each utterance in its dialogue, from 0.
        speakers: ``[N]`` speaker of each utterance.
        labels: ``[N, ...]`` label of each utterance, if there are labels.
        features: For each modality its features ``[N, F]``; a row of NaN where an utterance lacks the modality.
        links: Links between utterances by their content, if the data have any.
        edges: The dialogues' graph, where a transform has added it (see `AddDialogueEdges`).
    """

    index: Tensor
    lengths: Tensor
    offsets: Tensor
    batch: Tensor
    position: Tensor
    speakers: Tensor
    labels: Tensor | None
    features: dict[str, Tensor]
    links: DialogueLinks | None = None
    edges: DialogueEdges | None = None

    @property
    def num_dialogues(self) -> int:
        """Number of dialogues B."""
        return self.lengths.numel()

    @property
    def num_utterances(self) -> int:
        """Number of utterances N."""
        return self.speakers.numel()

    def apply(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to each tensor.

        Args:
            function: What to apply.

        Returns:
            A batch of the results.
        """
        names = ("index", "lengths", "offsets", "batch", "position", "speakers")
        return dataclasses.replace(
            self,
            **{name: function(getattr(self, name)) for name in names},
            labels=None if self.labels is None else function(self.labels),
            features={name: function(x) for name, x in self.features.items()},
            links=None if self.links is None else DialogueLinks(*map(function, self.links)),
            edges=None if self.edges is None else DialogueEdges(*map(function, self.edges)),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Move to a device.

        Args:
            device: Where to.
            non_blocking: Do not wait for copies from pinned memory.

        Returns:
            This batch if it lies there, else a copy that does.
        """
        if self.speakers.device == torch.device(device):
            return self
        return self.apply(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Copy to pinned host memory.

        Returns:
            The copy.
        """
        return self.apply(lambda tensor: tensor.pin_memory())
