"""DP-SGD at graph level: nobody can tell whether a graph was among the training graphs."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from graphml.federated.client_data import GraphsData
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.dp_sgd import DPSGD, NoisySteps


class GraphSteps(NoisySteps):
    """Takes the gradient of each graph of a lot by itself: right for any model, and as slow as batches of one graph.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the client's data are not graphs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.data, GraphsData):
            raise ValueError(f"data: expected graphs to classify, got {type(self.data).__name__}")

    def clipped_sum(self, parameters: list[nn.Parameter], generator: torch.Generator) -> tuple[list[Tensor], float]:
        """Sum over a lot, into which each graph is drawn by itself.

        Args:
            parameters: What is trained.
            generator: Where the lot comes from.
        """
        graphs = self.data.graphs["train"]  # type: ignore[attr-defined]  # checked in the constructor
        drawn = torch.rand(len(graphs), generator=generator) < self.stage.sampling_rate
        sums = [torch.zeros_like(parameter) for parameter in parameters]
        for number in drawn.nonzero().flatten().tolist():
            loss, _ = self.task.loss(self.task.network, Batch.from_data_list([graphs[number]]), generator)
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            add_clipped(sums, gradients, self.stage.clip)
        return sums, self.stage.sampling_rate * len(graphs)


class GraphDPSGD(DPSGD):
    r"""`DPSGD` whose examples are graphs: neighbours are data with **one graph more**, so S = C.

    A step draws a lot by Poisson sampling with rate q and divides its sum by the expected size q n, of n training
    graphs of the client. The accountant is that of the subsampled Gaussian mechanism, for all steps of all rounds.

    Args:
        clip: C, above 0: largest norm of a graph's gradient.
        noise_multiplier: Sigma: the noise's standard deviation is sigma C in the sum.
        sampling_rate: q, in (0, 1]; ``steps = 1 / q`` is about a pass over the graphs. The loader's batch size has no
            part in training.
        steps: Steps in a round, at least 1; ``local.epochs`` must be 1.
        delta: The delta for which a run names its epsilon, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """

    protects: ClassVar[str] = "graph"
    mixins = (GraphSteps,)

    def __init__(
        self, clip: float, noise_multiplier: float, sampling_rate: float = 0.1, steps: int = 10, delta: float = 1e-5
    ) -> None:
        super().__init__(clip, noise_multiplier, steps, delta)
        if not 0 < sampling_rate <= 1:
            raise ValueError(f"sampling_rate: expected a probability in (0, 1], got {sampling_rate}")
        self.sampling_rate = sampling_rate

    @property
    def sensitivity(self) -> float:
        """C."""
        return self.clip

    def epsilon(self, rounds: int, sampling: float, delta: float) -> float:
        """Epsilon of a graph, towards all but its own client.

        Args:
            rounds: Number of rounds.
            sampling: Unused: the server knows whom it has drawn.
            delta: In (0, 1).
        """
        return rdp_epsilon(self.noise_multiplier, self.sampling_rate, rounds * self.steps, delta)


def add_clipped(sums: Sequence[Tensor], gradients: Sequence[Tensor | None], clip: float) -> None:
    """Add an example's gradient, shortened to a largest norm, to a sum.

    Args:
        sums: A tensor for each parameter, changed in place.
        gradients: The example's; None where its loss does not depend on a parameter.
        clip: Largest L2 norm of all of it together.

    Raises:
        FloatingPointError: If the gradient is not finite.
    """
    norm = math.sqrt(sum(float(value.double().square().sum()) for value in gradients if value is not None))
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of a gradient is {norm}: lower the learning rate of the clients")
    for total, value in zip(sums, gradients, strict=True):
        if value is not None:
            total.add_(value, alpha=min(1.0, clip / norm) if norm > 0 else 1.0)
