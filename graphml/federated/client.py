"""The client half of a federation: local training and evaluation, without a Trainer."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphml.federated.client_data import ClientData
from graphml.federated.message import Message, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.weights import Weights, summed, weights_of
from graphml.tasks.task import Task


@dataclass(frozen=True)
class LocalTraining:
    """How a client trains between two messages.

    Args:
        epochs: Passes over the client's data; on a full graph a pass is one step.
        optimizer: From parameters to a fresh optimizer, such as ``torch.optim.SGD`` with its options; None for the
            task's own.
    """

    epochs: int = 1
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs: expected at least 1, got {self.epochs}")

    def make_optimizer(self, task: Task) -> torch.optim.Optimizer:
        """A fresh optimizer of a task's parameters.

        Args:
            task: The task.
        """
        return task.configure_optimizers() if self.optimizer is None else self.optimizer(task.parameters())


@dataclass(frozen=True)
class Pull:
    """What an algorithm adds to the gradient of each step: ``strength (w - towards) + drift``.

    The gradient of a proximal term and a constant correction: enough for FedProx, SCAFFOLD, FedDC and Ditto, and the
    same formula for one client or for many clients' weights stacked along a first dimension.

    Attributes:
        strength: Weight of the proximal term.
        towards: Where it pulls to, by the parameters' names; none without strength.
        drift: What is added, by name; parameters that it does not name get nothing.
    """

    strength: float = 0.0
    towards: Weights | None = None
    drift: Weights | None = None

    @torch.no_grad()
    def add_to(self, parameters: Iterable[tuple[str, Tensor]]) -> None:
        """Change the gradients in place.

        Args:
            parameters: Parameters by name; those without a gradient are left alone.
        """
        for name, parameter in parameters:
            if parameter.grad is None:
                continue
            if self.strength and self.towards is not None:
                parameter.grad.add_(parameter - self.towards[name], alpha=self.strength)
            if self.drift is not None and name in self.drift:
                parameter.grad.add_(self.drift[name])


class Client:
    """A participant: its data, and what it does with the server's messages. As it stands, the client of FedAvg.

    Between rounds a client remembers ``memory`` and nothing else, so that any engine can stop it, move it and wake it.
    That dictionary is replaced and never changed, so that an engine can put back what it was. The task is only where
    training happens; clients of one process share it.

    Args:
        number: Number of the client, from 0; the server's own evaluator is -1.
        task: Task to train; its present weights are those that every client starts from.
        data: What the client trains on.
        local: How it trains.
        evaluation_data: What it is evaluated on; default ``data``.
        seed: Seed of the run.
        initial: Weights of the task before anything was trained; default those that it has now.
    """

    def __init__(
        self,
        number: int,
        task: Task,
        data: ClientData,
        local: LocalTraining = LocalTraining(),  # frozen
        evaluation_data: ClientData | None = None,
        seed: int = 0,
        initial: Weights | None = None,
    ) -> None:
        self.number, self.task, self.data, self.local = number, task, data, local
        self.evaluation_data = data if evaluation_data is None else evaluation_data
        self.seed = seed
        self.initial = weights_of(task) if initial is None else initial
        self.memory: Weights = {}

    def is_personal(self, name: str) -> bool:
        """Whether a weight stays with the client: it is neither sent, nor averaged, nor overwritten by the server's.

        Args:
            name: Name of the parameter or buffer.
        """
        return False

    def pull(self, request: Message, start: Weights) -> Pull | None:
        """What the algorithm adds to the gradients of this round; None for nothing.

        Args:
            request: The server's message.
            start: Weights that training starts from.
        """
        return None

    def view(self, data: ClientData) -> ClientData:
        """Data as training and evaluation see them: as they are, unless the algorithm mends them.

        It depends on the data and on ``memory`` alone.

        Args:
            data: The client's data, or those that it is evaluated on.
        """
        return data

    def describe(self, request: Message) -> Message:
        """Statistics of the training examples that the task keeps in buffers, such as means of the features.

        Args:
            request: The server's message; nothing in it is needed.

        Returns:
            The buffers by name, but the personal ones, which are remembered; ``num_examples``.
        """
        self.task.load_state_dict(self.initial)
        self.task.prepare(self.data.everything("train"))
        told = {name: value for name, value in weights_of(self.task).items() if not value.equal(self.initial[name])}
        return Message(self.share(told), {"num_examples": self.data.num_examples("train")})

    def fit(self, request: Message) -> Message:
        """Train on the client's data.

        Args:
            request: The server's weights; ``config`` holds the ``round``.

        Returns:
            The new weights but the personal ones; ``num_examples``, the mean ``loss`` and the number of ``steps``.

        Raises:
            FloatingPointError: If the loss is not finite; nothing is remembered then.
        """
        start = self.start(request)
        with forked_random_state(derived_seed(self.seed, int(request.config["round"]), self.number)) as generator:
            end, metrics = self.train(start, self.pull(request, start), generator)
        return self.finish(request, start, end, metrics)

    def start(self, request: Message) -> Weights:
        """Weights that this client has when it gets a message: the server's, and its own personal ones.

        Args:
            request: The server's message.
        """
        sent = {name: value for name, value in request.arrays.items() if name in self.initial}
        return self.initial | sent | {name: value for name, value in self.memory.items() if name in self.initial}

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """Local training.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where batches and losses draw from.

        Returns:
            The weights after it, and ``loss`` (mean of the steps) and ``steps``.
        """
        task = self.task
        task.load_state_dict(start)
        task.train()
        optimizer = self.local.make_optimizer(task)
        losses = []
        for _ in range(self.local.epochs):
            for batch in self.view(self.data).batches("train", generator):
                optimizer.zero_grad()
                loss, _ = task.loss(task.network, batch, generator)
                loss.backward()
                if pull is not None:
                    pull.add_to(task.named_parameters())
                optimizer.step()
                losses.append(loss.detach())
        return weights_of(task), mean_loss(losses)

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Remember what is personal and tell the server the rest.

        Args:
            request: The server's message.
            start: Weights that training started from.
            end: Weights after it.
            metrics: What `train` measured.
        """
        return Message(self.share(end), {"num_examples": self.data.num_examples("train"), **metrics})

    def share(self, weights: Weights) -> Weights:
        """Remember those of the weights that are personal.

        Args:
            weights: New weights by name.

        Returns:
            The others, which the server may see.
        """
        self.memory = self.memory | {name: value for name, value in weights.items() if self.is_personal(name)}
        return {name: value for name, value in weights.items() if not self.is_personal(name)}

    def evaluate(self, request: Message) -> Message:
        """Count right and wrong predictions on the validation and test examples.

        Args:
            request: The server's weights.

        Returns:
            The task's additive counts, ``val/...`` and ``test/...``.
        """
        self.task.load_state_dict(self.evaluated(request))
        return self.counted(self.task.network)

    def counted(self, network: nn.Module) -> Message:
        """Answer of `evaluate`.

        Args:
            network: The task's network, or a stand-in that computes the same.
        """
        data = self.view(self.evaluation_data)
        counts = {stage: count_examples(self.task, data, stage, network) for stage in ("val", "test")}
        arrays = {key: value for stage in counts for key, value in under(stage, counts[stage]).items()}
        return Message(arrays, {"num_examples": self.evaluation_data.num_examples("test")})

    def evaluated(self, request: Message) -> Weights:
        """Weights to evaluate: those that training would start from.

        Args:
            request: The server's message.
        """
        return self.start(request)


def mean_loss(losses: Sequence[Tensor]) -> dict[str, float]:
    """Metrics of a local training.

    Args:
        losses: Loss of each step.

    Returns:
        Mean ``loss`` (0 without a step) and ``steps``.

    Raises:
        FloatingPointError: If the mean is not finite.
    """
    mean = float(torch.stack(list(losses)).mean()) if losses else 0.0
    return training_metrics(mean, len(losses))


def training_metrics(loss: float, steps: int) -> dict[str, float]:
    """Metrics of a local training.

    Args:
        loss: Mean of the steps' losses.
        steps: Number of steps.

    Returns:
        ``loss`` and ``steps``.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    if not math.isfinite(loss):
        raise FloatingPointError(f"the training loss is {loss}: lower the learning rate of the clients")
    return {"loss": loss, "steps": steps}


@torch.no_grad()
def count_examples(task: Task, data: ClientData, stage: str, network: nn.Module) -> dict[str, Tensor]:
    """Sum a task's counts over a stage's batches.

    Args:
        task: The task; it is left in evaluation mode.
        data: The data.
        stage: ``train``, ``val`` or ``test``.
        network: The task's network, or a stand-in that computes the same.

    Returns:
        The counts by name; none where the stage has no examples.
    """
    task.eval()
    with forked_random_state(0):
        return summed(task.counts(network, batch, stage) for batch in data.batches(stage))
