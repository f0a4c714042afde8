"""FedEx: client hyperparameters are learnt while the weights are, by a distribution that the server holds."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, LocalTraining, Pull, count_examples
from graphml.federated.message import Message, Scalar
from graphml.federated.seeds import derived_seed
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights
from graphml.tasks.task import Task

Configuration = dict[str, int | float]
"""Hyperparameters of a client: ``epochs``, and options of its optimizer such as ``lr``, by name."""

DIVERGED = 1e30
"""Loss of a client whose training diverged: finite, for an answer that is not would be refused; the server cuts it."""


@dataclasses.dataclass(frozen=True)
class ConfiguredTraining(LocalTraining):
    """Local training with other hyperparameters.

    Args:
        epochs: See `LocalTraining`.
        optimizer: See `LocalTraining`.
        options: Options of the optimizer that replace its own, by name.
    """

    options: dict[str, float] = dataclasses.field(default_factory=dict)

    def make_optimizer(self, task: Task) -> torch.optim.Optimizer:
        """A fresh optimizer with these options.

        Args:
            task: The task.

        Raises:
            ValueError: If the optimizer has no such option.
        """
        optimizer = super().make_optimizer(task)
        for group in optimizer.param_groups:
            unknown = sorted(self.options.keys() - group.keys())
            if unknown:
                there = ", ".join(["epochs", *(name for name in group if name != "params")])
                raise ValueError(f"configurations: expected some of {there}, got {', '.join(unknown)}")
            group.update(self.options)
        return optimizer


class FedExClient(Client):
    """Trains with the hyperparameters that it was sent, and tells the loss on its validation examples after it.

    Validation is on the client's own examples (not on those that it is evaluated on, which may be the server's). A
    client whose training diverges sends back the weights that it got, which then count for nothing, and a huge loss.
    """

    def fit(self, request: Message) -> Message:
        """Train on the client's data.

        Args:
            request: The server's weights; ``config`` holds the ``configuration``'s number and its hyperparameters.

        Returns:
            As of `Client`, with ``configuration``, ``val_loss`` and ``num_val``.
        """
        own = self.local
        self.local = configured(own, request)
        try:
            reply = super().fit(request)
        except FloatingPointError:
            reply = self._diverged(request)
        finally:
            self.local = own
        told = {"configuration": request.config["configuration"], "num_val": self.data.num_examples("val")}
        return Message(reply.arrays, reply.metrics | {name: float(value) for name, value in told.items()})

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """Local training, and the loss after it.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where batches and losses draw from.

        Returns:
            The weights after it, and ``loss``, ``steps`` and ``val_loss`` (0 without validation examples).

        Raises:
            FloatingPointError: If a loss or a weight is not finite.
            ValueError: If the task validates by no loss.
        """
        end, metrics = super().train(start, pull, generator)
        if not all(bool(value.isfinite().all()) for value in end.values()):
            raise FloatingPointError("a weight is not finite")
        counts = count_examples(self.task, self.view(self.data), "val", self.task.network)
        measured = self.task.metrics(counts) if counts else {"loss": 0.0}
        if "loss" not in measured:
            raise ValueError(f"FedEx: expected a task that validates by a loss, got one with {', '.join(measured)}")
        loss = measured["loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(f"the validation loss is {loss}")
        return end, metrics | {"val_loss": loss}

    def _diverged(self, request: Message) -> Message:
        start = self.start(request)
        shared = {name: value for name, value in start.items() if not self.is_personal(name)}
        return Message(shared, {"num_examples": 0.0, "loss": 0.0, "steps": 0.0, "val_loss": DIVERGED})


def configured(local: LocalTraining, request: Message) -> ConfiguredTraining:
    """Local training with the hyperparameters of a message.

    Args:
        local: How the client trains otherwise.
        request: The message; ``config`` has them by names that begin with ``set.``.
    """
    sent = {name.removeprefix("set."): value for name, value in request.config.items() if name.startswith("set.")}
    epochs = int(sent.pop("epochs", local.epochs))
    return ConfiguredTraining(epochs, local.optimizer, {name: float(value) for name, value in sent.items()})


class FedEx(FedAvg):
    r"""Federated averaging with weight sharing (Khodak et al., NeurIPS 2021, arXiv 2106.04502, algorithm 2).

    The server holds a distribution :math:`\theta` over :math:`k` configurations; each client of a round draws one,
    :math:`c_i \sim \theta`, trains with it, and tells its validation loss :math:`L_i`. The weights are averaged as by
    FedAvg. By an unbiased estimate of the gradient of the expected loss, with a baseline :math:`\lambda` that takes
    out variance, and a step of exponentiated gradient,

    .. math::
        \tilde\nabla_j = \frac{\sum_i |V_i| (L_i - \lambda) 1\{c_i = j\}}{\theta_j \sum_i |V_i|}, \qquad
        \theta_j \leftarrow \frac{\theta_j e^{-\eta \tilde\nabla_j}}{\sum_l \theta_l e^{-\eta \tilde\nabla_l}}, \qquad
        \eta_t = \frac{\sqrt{2 \ln k}}{\sqrt{\sum_{s \le t} \lVert \tilde\nabla_s \rVert_\infty^2}}

    the paper's adaptive step. The baseline is the discounted mean of the earlier rounds' mean losses.

    Where this differs from the paper: the first round, which has no baseline, leaves the distribution as it is (with a
    baseline of 0 whatever was drawn first would be punished, however good); and losses are cut at twice the
    baseline, so that a client that diverged counts for a bad configuration and not for all of the steps to come.

    Clients train one after the other: they differ in what the vectorised engine would have them share.

    Args:
        configurations: The k configurations, at least one: ``epochs`` and options of the clients' optimizer
            (``lr``, ``weight_decay`` ...) by name; what one does not name is as in the clients' own local training.
        discount: Weight of an older round's loss in the baseline, as a share of that of the round after it, in [0, 1]:
            0 for the last round alone, 1 for the mean of all.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].
        seed: Seed of the clients' draws of configurations, not negative.

    Raises:
        ValueError: If an argument is out of range.
    """

    client = FedExClient

    def __init__(
        self,
        configurations: list[Configuration],
        discount: float = 0.0,
        client_fraction: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(client_fraction)
        if not configurations or not all(configurations):
            raise ValueError(f"configurations: expected at least one, each with a hyperparameter, got {configurations}")
        wrong = [number for number in configurations if number.get("epochs", 1) < 1 or number.get("epochs", 1) % 1]
        if wrong:
            raise ValueError(f"configurations: epochs: expected integers of at least 1, got {wrong[0]['epochs']}")
        if not 0 <= discount <= 1:
            raise ValueError(f"discount: expected a number in [0, 1], got {discount}")
        if seed < 0:
            raise ValueError(f"seed: expected at least 0, got {seed}")
        self.configurations, self.discount, self.seed = configurations, discount, seed

    @property
    def probabilities(self) -> Tensor:
        """The distribution over the configurations, float64 [k]."""
        return self.memory["log_probabilities"].exp()

    @property
    def likeliest(self) -> Configuration:
        """The configuration of the highest probability."""
        return self.configurations[int(self.probabilities.argmax())]

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin with all configurations equally likely.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        k = len(self.configurations)
        self.memory = {
            "log_probabilities": torch.full((k,), -math.log(k), dtype=torch.float64),
            "squares": torch.zeros((), dtype=torch.float64),  # sum of the gradients' squared largest components
            "baseline": torch.zeros(2, dtype=torch.float64),  # discounted sums of losses, and of ones
        }

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The global weights, and to each client a configuration that is drawn for it.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that were drawn.
        """
        generator = torch.Generator().manual_seed(derived_seed(self.seed, round, -4))
        drawn = torch.multinomial(self.probabilities, len(clients), replacement=True, generator=generator).tolist()
        return {
            client: self.request(round, **self._told(number)) for client, number in zip(clients, drawn, strict=True)
        }

    def _told(self, number: int) -> dict[str, Scalar]:
        chosen: dict[str, Any] = {f"set.{name}": value for name, value in self.configurations[number].items()}
        return {"configuration": number, **chosen}

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer; None if nothing is.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        number = reply.metrics.get("configuration", -1.0)
        if number not in range(len(self.configurations)):
            return f"sent configuration {number}, expected 0 to {len(self.configurations) - 1}"
        if not {"val_loss", "num_val"} <= reply.metrics.keys() or reply.metrics["num_val"] < 0:
            return "lacks val_loss or num_val"
        return super().check(round, reply)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average the weights, and make configurations likelier whose losses are below the baseline.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        super().aggregate_fit(round, replies)
        sizes = torch.tensor([reply.metrics["num_val"] for reply in replies.values()], dtype=torch.float64)
        losses = torch.tensor([reply.metrics["val_loss"] for reply in replies.values()], dtype=torch.float64)
        drawn = torch.tensor([int(reply.metrics["configuration"]) for reply in replies.values()])
        trained = losses[(losses < DIVERGED) & (sizes > 0)]
        if not len(trained):
            return  # nothing to compare
        sums, ones = self.memory["baseline"].tolist()
        known = sums / ones if ones else float(trained.min())
        losses = losses.clamp(max=2 * known)
        if ones:
            self._step(losses - known, sizes, drawn)
        mean = float((sizes * losses).sum() / sizes.sum())
        self.memory = self.memory | {
            "baseline": torch.tensor([self.discount * sums + mean, self.discount * ones + 1], dtype=torch.float64)
        }

    def _step(self, advantages: Tensor, sizes: Tensor, drawn: Tensor) -> None:
        """A step of exponentiated gradient: advantages [B] and validation sizes [B] of clients that drew [B]."""
        log_probabilities = self.memory["log_probabilities"]
        gradient = torch.zeros_like(log_probabilities).index_add_(0, drawn, advantages * sizes / sizes.sum())
        gradient = gradient / log_probabilities.exp()
        squares = self.memory["squares"] + gradient.abs().max().square()
        if squares > 0:
            step = math.sqrt(2 * math.log(len(gradient))) / squares.sqrt()
            log_probabilities = (log_probabilities - step * gradient).log_softmax(0)
        self.memory = self.memory | {"log_probabilities": log_probabilities, "squares": squares}
