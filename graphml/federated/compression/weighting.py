"""What each client's tensor counts in an average of quantised answers."""

import abc
from collections.abc import Sequence

import torch
from torch import Tensor

from graphml.federated.one_answer import one_answer, with_examples
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, weighted_average

SQUARED_ERROR = "squared_error"
"""Metrics of an opened answer, by the name of the tensor: the sum of its squared errors of quantisation."""


class Weighting(abc.ABC):
    """How a server weighs quantised answers."""

    @abc.abstractmethod
    def combine(self, answers: Replies) -> Replies:
        """What the algorithm gets.

        Args:
            answers: Opened answers with metrics ``num_examples`` and ``squared_error/NAME``.
        """


class ByExamples(Weighting):
    """Leaves the answers to the algorithm, which averages by n_j / N."""

    def combine(self, answers: Replies) -> Replies:
        """The answers as they are.

        Args:
            answers: Opened answers.
        """
        return answers


class ByInverseError(Weighting):
    r"""Averages tensor by tensor with weights in proportion to 1 / SQE, the client's squared error of that tensor.

    .. math::
        \mathbf{w}_l = \sum_j \frac{1 / \mathrm{SQE}_{j, l}}{\sum_i 1 / \mathrm{SQE}_{i, l}} \hat{\mathbf{w}}_{j, l}

    (arXiv 2405.13365). It minimises the variance that unbiased rounding brings into the average, and knows nothing of
    how much data a client has. Where errors are 0, those clients share the tensor: the limit of the formula. What was
    not quantised is averaged by examples, and clients without training examples count nothing.

    The algorithm gets one answer in the name of all, so this is for algorithms that average.
    """

    def combine(self, answers: Replies) -> Replies:
        """One answer that stands for all.

        Args:
            answers: Opened answers.
        """
        used = with_examples(answers)
        if not used:
            return answers
        told = list(used.values())
        examples = [answer.metrics["num_examples"] for answer in told]
        mean: Weights = {}
        for name in told[0].arrays:
            key = f"{SQUARED_ERROR}/{name}"
            quantised = key in told[0].metrics
            shares = inverse([answer.metrics[key] for answer in told]) if quantised else examples
            mean |= weighted_average([{name: answer.arrays[name]} for answer in told], shares)
        return one_answer(used, mean)


def inverse(errors: Sequence[float]) -> list[float]:
    """Weights 1 / e, of sum 1.

    Args:
        errors: Not negative; where some are 0, those weigh the same and the others nothing.
    """
    exact = torch.tensor(errors, dtype=torch.float64)
    shares = (exact == 0).double() if bool((exact == 0).any()) else exact.min() / exact
    return [float(share) for share in shares / shares.sum()]


def as_metrics(names: Sequence[str], errors: Tensor) -> dict[str, float]:
    """Errors as metrics of an opened answer.

    Args:
        names: Names of the quantised tensors.
        errors: Their errors ``[T]``.
    """
    return {f"{SQUARED_ERROR}/{name}": error for name, error in zip(names, errors.tolist(), strict=True)}
