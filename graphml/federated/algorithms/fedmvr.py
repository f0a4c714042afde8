"""FedMVR: momentum that takes the variance out of the clients' gradients, and what makes the clients differ with it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, mean_loss
from graphml.federated.local_steps import learning_rates, sgd_options
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, weighted_average, weights_of


class FedMVRClient(Client):
    """Steps along an estimate of the gradient of all, which it corrects by what its own gradient changes by.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If clients do not train by SGD without momentum, whose learning rate and weight decay are used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rates = learning_rates(self.local, self.task)
        self.decays = {name: float(group["weight_decay"]) for name, group in sgd_options(self.local, self.task).items()}

    def fit(self, request: Message) -> Message:
        """Train on the client's data.

        Args:
            request: The server's weights, its ``estimator`` and the ``previous`` weights that it belongs to (neither
                in the first round); ``config`` holds ``alpha``.

        Returns:
            As `Client.fit`, and the ``estimator`` at the server's weights.
        """
        start = self.start(request)
        with forked_random_state(derived_seed(self.seed, int(request.config["round"]), self.number)) as generator:
            end, estimator, metrics = self._steps(request, start, generator)
        reply = self.finish(request, start, end, metrics)
        return Message(reply.arrays | under("estimator", estimator), reply.metrics)

    def _steps(
        self, request: Message, start: Weights, generator: torch.Generator
    ) -> tuple[Weights, Weights, dict[str, float]]:
        """Weights after local training, the estimate of the first step, and what was measured."""
        self.task.load_state_dict(start)
        self.task.train()
        alpha, scale = float(request.config["alpha"]), self.scale(request)
        estimator, before = taken_from("estimator", request.arrays), taken_from("previous", request.arrays)
        first = {name: torch.zeros_like(start[name]) for name in self.rates}
        losses: list[Tensor] = []
        for _ in range(self.local.epochs):
            for batch in self.view(self.data).batches("train", generator):
                there = self._gradient_at(before, batch, generator) if before and alpha < 1 else None
                loss, gradient = self._gradient(batch, generator)
                estimator = gradient if there is None else corrected(gradient, there, estimator, alpha)
                first = first if losses else estimator
                losses.append(loss)
                before = {name: value.detach().clone() for name, value in self.task.named_parameters()}
                self._step(estimator, scale)
        return weights_of(self.task), first, mean_loss(losses)

    def scale(self, request: Message) -> Weights:
        """What each parameter's step is divided by, by name; nothing here.

        Args:
            request: The server's message.
        """
        return {}

    def _gradient(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, Weights]:
        """Loss, and its gradient with the weight decay's; zeros for parameters that it does not depend on."""
        parameters = {
            name: value for name, value in self.task.named_parameters(remove_duplicate=False) if name in self.rates
        }
        loss, _ = self.task.loss(self.task.network, batch, generator)
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        gradient = {
            name: torch.zeros_like(value) if grad is None else grad.add(value.detach(), alpha=self.decays[name])
            for (name, value), grad in zip(parameters.items(), found, strict=True)
        }
        return loss.detach(), gradient

    def _gradient_at(self, parameters: Weights, batch: Any, generator: torch.Generator) -> Weights:
        """Gradient at other parameters; weights, buffers and random states are left as they were.

        The gradient that is taken next on the same batch so has the same dropout, or the same negatives: without that
        the difference of the two would be noise.
        """
        now, states = weights_of(self.task), (generator.get_state(), torch.get_rng_state())
        self.task.load_state_dict(now | parameters)
        _, gradient = self._gradient(batch, generator)
        self.task.load_state_dict(now)
        generator.set_state(states[0])
        torch.set_rng_state(states[1])
        return gradient

    @torch.no_grad()
    def _step(self, estimator: Weights, scale: Weights) -> None:
        for name, parameter in self.task.named_parameters():
            if name not in estimator:
                continue
            if name in scale:
                parameter.addcdiv_(estimator[name], scale[name], value=-self.rates[name])
            else:
                parameter.add_(estimator[name], alpha=-self.rates[name])


def corrected(gradient: Weights, there: Weights, estimator: Weights, alpha: float) -> Weights:
    """The next estimate: the gradient, and a share of what the last estimate was off by.

    Args:
        gradient: Gradient at the present weights.
        there: Gradient at the weights of the last estimate, on the same batch.
        estimator: The last estimate.
        alpha: Share of the gradient by itself.
    """
    return {name: value + (1 - alpha) * (estimator[name] - there[name]) for name, value in gradient.items()}


class FedMVR(FedAvg):
    r"""Federated momentum-based variance reduction, without adaptive steps (the base of `AdaptiveFedMVR`).

    A client's local steps go along

    .. math::
        \mathbf{d}_t = \nabla f(\mathbf{x}_t; \xi_t)
        + (1 - \alpha) \big( \mathbf{d}_{t-1} - \nabla f(\mathbf{x}_{t-1}; \xi_t) \big), \qquad
        \mathbf{x}_{t+1} = \mathbf{x}_t - \eta \, \mathbf{d}_t

    (STORM: Cutkosky, Orabona, NeurIPS 2019, arXiv 1905.10018), with two gradients a step, on the same batch. The server
    averages weights and estimates, and each client's first step of a round goes on from the averaged estimate. So for a
    small :math:`\alpha` a client follows the gradient of all, plus what its own gradient has changed by since; for
    :math:`\alpha = 1` it is FedAvg.

    The estimates that are averaged are those at the round's initial weights, which all clients share, as in MimeMVR
    (Karimireddy et al., NeurIPS 2021, arXiv 2008.03606). STEM (arXiv 2106.10435) and FAFED average those after the last
    local step. Where clients differ in their labels each of these is nearly zero, as a client fits its own labels by
    then, and so is their mean, while the gradient of all at the mean of the weights is not.

    **A reconstruction**: the algorithm of arXiv 2412.11660 (variance reduction and adaptive learning) is not available
    to us; this and `AdaptiveFedMVR` are built from its published relatives. :math:`\alpha` is constant, as STORM's
    :math:`c \eta^2` is for a constant step.

    Messages to the clients hold the estimate and the previous weights beside the weights, those from them an estimate:
    three and two times as large as FedAvg's. A local step takes about twice as long.

    Args:
        alpha: Share of the present gradient by itself, in (0, 1].
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = FedMVRClient

    def __init__(self, alpha: float = 0.1, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha: expected a share in (0, 1], got {alpha}")
        self.alpha = alpha

    def request(self, round: int, **config: Scalar) -> Message:
        """The global weights, the estimate and the weights that it belongs to (but in the first round), and alpha.

        Args:
            round: Number of the round.
            **config: What the clients are told besides.
        """
        request = super().request(round, alpha=self.alpha, **config)
        return Message(request.arrays | self.memory, config=request.config)

    def expected(self, round: int) -> Weights:
        """Weights, and an estimate.

        Args:
            round: Number of the round.
        """
        return self.state | under("estimator", {name: self.state[name] for name in self.trained})

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average weights and estimates.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        previous = {name: self.state[name] for name in sorted(self.trained)}
        super().aggregate_fit(round, replies)
        shares = [reply.metrics["num_examples"] for reply in replies.values()]
        if sum(shares) > 0:
            estimators = [taken_from("estimator", reply.arrays) for reply in replies.values()]
            self.remember(weighted_average(estimators, shares), previous)

    def remember(self, estimator: Weights, previous: Weights) -> None:
        """Keep the mean of the clients' estimates.

        Args:
            estimator: The mean.
            previous: The weights that it belongs to.
        """
        self.memory = under("estimator", estimator) | under("previous", previous)
