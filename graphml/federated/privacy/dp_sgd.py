"""Differentially private SGD in the clients' training: what graph level and node level have in common."""

import abc
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphml.federated.client import Client, Pull
from graphml.federated.privacy.stage import PrivateStage
from graphml.federated.privacy.trained_only import refuse_untrained
from graphml.federated.weights import Weights, weights_of


class DPSGD(PrivateStage):
    r"""Noisy sums of clipped gradients in place of gradients (Abadi et al., CCS 2016, arXiv 1607.00133, algorithm 1).

    .. math::
        \mathbf{g} = \frac{1}{m} \Bigl(\sum_{i \in L} \mathbf{g}_i \min(1, C / \lVert \mathbf{g}_i \rVert)
        + \mathcal{N}(0, \sigma^2 S^2 \mathbf{I})\Bigr)

    with S what one unit can change of the sum. What the optimizer, the algorithm's pull and the server make of it costs
    nothing more; nobody needs to be trusted but the client itself. A unit belongs to one client, so clients do not add
    up; all are taken to train in every round, because the server knows whom it has drawn. The loss is not sent.

    Limits, beside those of every private stage: m is made of the number of training examples, which is taken as known;
    the algorithm must train as `Client` does, on its own data (not FedRep, Ditto, FedSage+); a model with BatchNorm is
    refused, since one example then changes the gradients of all.

    Args:
        clip: C, above 0: largest norm of an example's gradient.
        noise_multiplier: Sigma: the noise's standard deviation is sigma S in the sum.
        steps: Steps in a round, at least 1; ``local.epochs`` must be 1.
        delta: The delta for which a run names its epsilon, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, clip: float, noise_multiplier: float, steps: int = 1, delta: float = 1e-5) -> None:
        super().__init__(clip, noise_multiplier, delta)
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        self.steps = steps

    @property
    @abc.abstractmethod
    def sensitivity(self) -> float:
        """S, what one unit can change of a sum of clipped gradients, in L2 norm."""

    def add_noise(self, sums: list[Tensor], generator: torch.Generator) -> list[Tensor]:
        """The sums with noise of standard deviation sigma S in each coordinate.

        Args:
            sums: A tensor for each parameter.
            generator: Where the noise comes from.
        """
        if self.noise_multiplier == 0:
            return sums
        std = self.noise_multiplier * self.sensitivity
        return [value + std * torch.randn(value.shape, generator=generator, dtype=value.dtype) for value in sums]


class NoisySteps(Client):
    """Mixed into a client's class: trains by the steps of the client's `DPSGD` stage.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the model has BatchNorm or shares buffers, the task sends statistics, the algorithm trains in
            another way, or there is more than one epoch.
    """

    stages: tuple[Any, ...]
    """Stages of the federation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mixing = [name for name, module in self.task.named_modules() if isinstance(module, _BatchNorm)]
        if mixing:
            raise ValueError(
                f"model: expected no BatchNorm, through which each example changes all gradients, got {mixing[0]}"
            )
        refuse_untrained(self)
        for kind in type(self).__mro__:
            own = {"fit", "train", "view"} & vars(kind).keys()
            if own and kind is not Client and not issubclass(kind, NoisySteps):
                name = kind.__name__
                raise ValueError(
                    f"strategy: expected clients that train as those of FedAvg, got {name} with its own {own.pop()}"
                )
        if self.local.epochs != 1:
            raise ValueError(f"local.epochs: expected 1, for the stage's steps are counted, got {self.local.epochs}")

    @property
    def stage(self) -> Any:
        """The stage whose steps are taken."""
        return next(stage for stage in self.stages if isinstance(stage, DPSGD))

    @abc.abstractmethod
    def clipped_sum(self, parameters: list[nn.Parameter], generator: torch.Generator) -> tuple[list[Tensor], float]:
        """Sum of the clipped gradients of a step.

        Args:
            parameters: What is trained; the task holds it.
            generator: Where examples and losses draw from.

        Returns:
            The sum, a tensor for each parameter, and m, by which it is divided.
        """

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """Local training by noisy steps.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where examples, losses and noise draw from.

        Returns:
            The weights after it, and ``steps``.
        """
        task, steps = self.task, self.stage.steps if self.data.num_examples("train") else 0
        task.load_state_dict(start)
        task.train()
        optimizer = self.local.make_optimizer(task)
        parameters = [parameter for parameter in task.parameters() if parameter.requires_grad]
        for _ in range(steps):
            sums, size = self.clipped_sum(parameters, generator)
            for parameter, noisy in zip(parameters, self.stage.add_noise(sums, generator), strict=True):
                parameter.grad = noisy / size
            if pull is not None:
                pull.add_to(task.named_parameters())
            optimizer.step()
        return weights_of(task), {"steps": steps}
