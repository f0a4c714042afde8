"""Robust averages: a few clients that send anything at all cannot move them far."""

import abc
import math

import numpy as np
import torch
from scipy.stats import trim_mean
from torch import Tensor

from graphml.federated.one_answer import one_answer, with_examples
from graphml.federated.privacy.update import flat_update, with_update
from graphml.federated.strategy import Replies
from graphml.federated.uplink import UplinkStage
from graphml.federated.weights import Weights


class RobustAverage(UplinkStage, abc.ABC):
    """Hands the algorithm one answer for all, in which every client has counted the same.

    How many examples a client claims to have does not matter: a false claim would be an attack. Clients that claim none
    are left out. Integer arrays are those of the first client. This is for algorithms that average.
    """

    def combine(self, answers: Replies, shared: Weights) -> Replies:
        """The robust average.

        Args:
            answers: Opened answers.
            shared: Global weights.
        """
        used = with_examples(answers)
        if not used:
            return answers
        average = self.average(torch.stack([flat_update(answer, {}) for answer in used.values()]))
        return one_answer(used, with_update(used[min(used)], {}, average).arrays)

    @abc.abstractmethod
    def average(self, answers: Tensor) -> Tensor:
        """Average of vectors.

        Args:
            answers: Float64 ``[n, d]``, an answer a row.

        Returns:
            ``[d]``.
        """


class CoordinateMedian(RobustAverage):
    """The median of each coordinate (Yin et al., ICML 2018, arXiv 1803.01498, option I of algorithm 1).

    It withstands fewer than half of the clients. For an even number of answers it is the mean of the middle two.
    """

    def average(self, answers: Tensor) -> Tensor:
        """Median of each column.

        Args:
            answers: ``[n, d]``.
        """
        return torch.from_numpy(np.median(answers.numpy(), axis=0))


class TrimmedMean(RobustAverage):
    """The mean of each coordinate without its extremes (Yin et al., ICML 2018, arXiv 1803.01498, option II).

    Of n values the lowest and the highest ``floor(share n)`` are left out, so many hostile clients it withstands.

    Args:
        share: Share that is cut off at each end, in [0, 0.5); 0 is the plain mean.

    Raises:
        ValueError: If the share is out of range.
    """

    def __init__(self, share: float = 0.2) -> None:
        super().__init__()
        if not 0 <= share < 0.5:
            raise ValueError(f"share: expected one in [0, 0.5), got {share}")
        self.share = share

    def average(self, answers: Tensor) -> Tensor:
        """Trimmed mean of each column.

        Args:
            answers: ``[n, d]``.
        """
        size = len(answers)
        cut = min(math.floor(self.share * size + 1e-9), (size - 1) // 2)  # 0.29 x 100 is 28.999... in binary
        return torch.from_numpy(trim_mean(answers.numpy(), (cut + 0.5) / size, axis=0))
