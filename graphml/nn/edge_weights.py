"""Weights of a dialogue graph's edges: by the angle between utterances, or learned."""

import torch
from torch import Tensor, nn

from graphml.ops import DialogueEdges, angular_similarity


class AngularWeight(nn.Module):
    """``1 - arccos(cos(x_i, x_j)) / pi`` (MMGCN, ACL 2021): between 0 and 1, nothing to learn.

    Args:
        channels: Unused: the same construction as `AttentionWeight`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, edges: DialogueEdges) -> Tensor:
        """Return the weight of each edge.

        Args:
            x: ``[N, F]`` utterances.
            edges: Edges, sorted by target.

        Returns:
            ``[E]``.
        """
        return angular_similarity(x, edges)


class AttentionWeight(nn.Module):
    """``exp(leaky_relu(a . x_target + b . x_source))``, which the convolution normalises per relation (GAT's score).

    Args:
        channels: Features of an utterance.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.source, self.target = nn.Linear(channels, 1, bias=False), nn.Linear(channels, 1, bias=False)

    def forward(self, x: Tensor, edges: DialogueEdges) -> Tensor:
        """Return the weight of each edge.

        Args:
            x: ``[N, F]`` utterances.
            edges: Edges, sorted by target.

        Returns:
            ``[E]``.
        """
        source, target = edges.edge_index
        score = self.source(x).squeeze(1)[source] + self.target(x).squeeze(1)[target]
        return torch.nn.functional.leaky_relu(score, 0.2).clamp(max=20).exp()
