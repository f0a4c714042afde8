"""Rank of the true entity among all completions of a query, without the other true ones."""

import torch
from torch import Tensor


class KnownAnswers:
    """The entities that complete each query of an entity and a relation.

    Args:
        entity: ``[T]`` given entity of each known triple, such as its head.
        relation: ``[T]`` its relation.
        answer: ``[T]`` its other entity.
    """

    def __init__(self, entity: Tensor, relation: Tensor, answer: Tensor) -> None:
        self._stride = int(relation.max()) + 1 if relation.numel() else 1
        self._key, order = (entity * self._stride + relation).sort(stable=True)
        self._answer = answer[order]

    def __call__(self, entity: Tensor, relation: Tensor) -> tuple[Tensor, Tensor]:
        """Look up queries.

        Args:
            entity: ``[B]`` given entities.
            relation: ``[B]`` relations of the known triples.

        Returns:
            ``[K]`` numbers of the queries and ``[K]`` their answers, one entry for each answer.
        """
        query = entity * self._stride + relation
        first = torch.searchsorted(self._key, query)
        size = torch.searchsorted(self._key, query, right=True) - first
        row = torch.arange(len(query), device=query.device).repeat_interleave(size)
        within = torch.arange(len(row), device=query.device) - (size.cumsum(0) - size)[row]
        return row, self._answer[first[row] + within]


def filtered_ranks(scores: Tensor, target: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
    """Filtered rank of each target (Bordes et al., NeurIPS 2013), the mean of those that its ties could have.

    The mean rank is what random order of equal scores would give, so a constant model gains nothing (Sun et al.,
    "A Re-evaluation of Knowledge Graph Completion Methods", ACL 2020). Scores that are not numbers count as better.

    Args:
        scores: ``[B, N]`` scores of all entities.
        target: ``[B]`` the true entity.
        known: ``[K]`` rows and ``[K]`` entities that are true too (`KnownAnswers`); the target may be among them.

    Returns:
        ``[B]`` ranks from 1, float64, multiples of one half.
    """
    true = scores.gather(1, target[:, None])
    rivals = torch.ones_like(scores, dtype=torch.bool).index_put_(known, torch.tensor(False, device=scores.device))
    rivals.scatter_(1, target[:, None], False)
    above = (~(scores <= true) & rivals).sum(1, dtype=torch.int32)  # half the time of int64
    ties = ((scores == true) & rivals).sum(1, dtype=torch.int32)
    return 1 + above.double() + ties.double() / 2
