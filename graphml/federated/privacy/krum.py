"""Krum: the answer that has the closest neighbours."""

import torch
from torch import Tensor

from graphml.federated.faults import TooFewClientsError
from graphml.federated.privacy.robust import RobustAverage


class MultiKrum(RobustAverage):
    r"""The mean of the answers with the lowest scores (Blanchard et al., NeurIPS 2017, arXiv 1703.02757).

    The score of an answer is the sum of its squared distances to its :math:`n - f - 2` closest ones, where f of the n
    may be hostile; :math:`n > 2 f + 2` is needed. One m of answers that are chosen: 1 is Krum, n is the plain mean.

    Args:
        num_byzantine: How many clients f of a round may be hostile.
        num_selected: How many answers m are averaged; None for n - f, as in the paper's experiments.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, num_byzantine: int, num_selected: int | None = None) -> None:
        super().__init__()
        if num_byzantine < 0:
            raise ValueError(f"num_byzantine: expected at least 0, got {num_byzantine}")
        if num_selected is not None and num_selected < 1:
            raise ValueError(f"num_selected: expected at least 1, or None, got {num_selected}")
        self.num_byzantine, self.num_selected = num_byzantine, num_selected

    def average(self, answers: Tensor) -> Tensor:
        """Mean of the chosen rows.

        Args:
            answers: ``[n, d]``.

        Raises:
            TooFewClientsError: If there are too few rows for the numbers that were set.
        """
        size, least = len(answers), max(2 * self.num_byzantine + 3, self.num_selected or 1)
        if size < least:
            told = f"num_byzantine {self.num_byzantine} and num_selected {self.num_selected}"
            raise TooFewClientsError(f"Krum expected at least {least} answers for {told}, got {size}")
        chosen = size - self.num_byzantine if self.num_selected is None else self.num_selected
        best = krum_scores(answers, self.num_byzantine).argsort(stable=True)[:chosen]
        return answers[best].mean(0)


class Krum(MultiKrum):
    """The one answer with the lowest score (Blanchard et al., NeurIPS 2017, arXiv 1703.02757).

    Args:
        num_byzantine: How many clients f of a round may be hostile.

    Raises:
        ValueError: If the number is negative.
    """

    def __init__(self, num_byzantine: int) -> None:
        super().__init__(num_byzantine, num_selected=1)


def krum_scores(answers: Tensor, num_byzantine: int) -> Tensor:
    """Sum of the squared distances of each answer to its ``n - f - 2`` closest ones.

    Args:
        answers: ``[n, d]``.
        num_byzantine: f, below ``n - 2``.

    Returns:
        ``[n]``.
    """
    # not by a matrix product: it would lose what is close together and far from the origin
    distances = torch.cdist(answers, answers, compute_mode="donot_use_mm_for_euclid_dist").square()
    closest = len(answers) - num_byzantine - 2
    return distances.sort(1).values[:, 1 : closest + 1].sum(1)  # the first is the answer itself
