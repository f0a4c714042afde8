"""Weights of a dialogue graph's edges: by the angle between utterances, or learned."""

import torch
from torch import Tensor, nn

from graphml.ops import DialogueEdges, angular_similarity
from graphml.ops.dialogue_edges import pointers


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
        # The sampled product wants each pair of utterances once, and two may be in several relations.
        size = x.size(0)
        pairs, place = torch.unique(edges.edge_index[1] * size + edges.edge_index[0], return_inverse=True)
        target, source = pairs // size, pairs % size
        rowptr = pointers(torch.bincount(target, minlength=size))
        once = DialogueEdges(torch.stack([source, target]), torch.zeros_like(source), rowptr)
        return angular_similarity(x, once)[place]


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
