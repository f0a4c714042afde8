"""Labels from the gradient of the last bias."""

import torch
from torch import Tensor


def infer_label(bias_gradient: Tensor) -> int:
    """The label of the only example of a batch (iDLG: Zhao et al. 2020, arXiv 2001.02610, section 3).

    Adversary: honest-but-curious server, which sees the gradient of the bias of a last layer under cross-entropy. That
    is ``p - onehot(y)``, negative at the label alone, so that the answer is certain.

    Args:
        bias_gradient: Gradient of the last bias [C].
    """
    return int(bias_gradient.argmin())


def infer_labels(bias_gradient: Tensor, mean_posterior: Tensor, num_examples: int) -> Tensor:
    r"""The labels of several examples, in ascending order: which node has which cannot be told.

    The gradient of the last bias is the mean of ``p - onehot(y)``, so the number of examples of class c is
    :math:`n (\bar{p}_c - g_c)`. The server guesses the mean posterior; before training all classes are about as likely
    (Wainakh et al., PoPETs 2022, arXiv 2105.09369, whose LLG takes the weights' gradient for the same purpose).

    Adversary: honest-but-curious server, which knows the number of examples.

    Args:
        bias_gradient: Gradient of the last bias [C].
        mean_posterior: Guess of the examples' mean probabilities [C].
        num_examples: Number of labelled examples n, at least 1.

    Returns:
        Labels, int64 [n].

    Raises:
        ValueError: If there is no example.
    """
    if num_examples < 1:
        raise ValueError(f"num_examples: expected at least 1, got {num_examples}")
    expected = (num_examples * (mean_posterior - bias_gradient)).clamp_min(0).double()
    expected = expected * (num_examples / expected.sum())
    counts = expected.floor().long()
    largest = (expected - counts).argsort(descending=True, stable=True)  # largest remainders get what is left
    counts[largest[: num_examples - int(counts.sum())]] += 1
    return torch.repeat_interleave(torch.arange(len(counts)), counts)
