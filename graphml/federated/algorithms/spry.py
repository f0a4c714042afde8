"""Spry: clients train a few tensors each, by forward-mode derivatives."""

import contextlib
import functools
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import torch

from graphml.federated.algorithms.fedopt import FedYogi
from graphml.federated.client import Client, Pull, mean_loss
from graphml.federated.faults import wrong_arrays
from graphml.federated.forward_gradient import forward_gradient
from graphml.federated.message import Message
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, belongs, parameter_names, weighted_average, weights_of


class SplitClient(Client):
    """Trains those tensors that the server names, by backpropagation; it sends them back with the buffers."""

    def fit(self, request: Message) -> Message:
        """Train on the client's data.

        Args:
            request: The server's weights; ``config`` holds the ``round`` and the names of the ``tensors``, as JSON.
        """
        with self._only(json.loads(str(request.config["tensors"]))):
            return super().fit(request)

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Tell the server the tensors that were trained, and the buffers.

        Args:
            request: The server's message.
            start: Weights that training started from.
            end: Weights after it.
            metrics: What `train` measured.
        """
        reply = super().finish(request, start, end, metrics)
        own, parameters = json.loads(str(request.config["tensors"])), parameter_names(self.task)
        sent = {name: value for name, value in reply.arrays.items() if name in own or name not in parameters}
        return Message(sent, reply.metrics)

    @contextlib.contextmanager
    def _only(self, names: Collection[str]) -> Iterator[None]:
        """Let gradients reach these parameters alone; optimizers pass over the rest."""
        before = {name: parameter.requires_grad for name, parameter in self.task.named_parameters()}
        try:
            for name, parameter in self.task.named_parameters():
                parameter.requires_grad_(before[name] and name in names)
            yield
        finally:
            for name, parameter in self.task.named_parameters():
                parameter.requires_grad_(before[name])


class SpryClient(SplitClient):
    """Trains its tensors by forward gradients: no activation is kept for a backward pass.

    Args:
        *args: As for `Client`.
        draws: Directions that a gradient is averaged over.
        **kwargs: As for `Client`.
    """

    def __init__(self, *args: Any, draws: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draws = draws

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """Local training of the parameters that require gradients.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where batches, losses and directions draw from.

        Returns:
            The weights after it, and ``loss`` (mean of the steps) and ``steps``.
        """
        task = self.task
        task.load_state_dict(start)
        task.train()
        optimizer = self.local.make_optimizer(task)
        own = {name: parameter for name, parameter in task.named_parameters() if parameter.requires_grad}
        losses = []
        for _ in range(self.local.epochs):
            for batch in self.view(self.data).batches("train", generator):
                optimizer.zero_grad()
                loss, gradient = forward_gradient(task, batch, list(own), generator, self.draws)
                for name, parameter in own.items():
                    parameter.grad = gradient[name]
                if pull is not None:
                    pull.add_to(own.items())
                optimizer.step()
                losses.append(loss)
        return weights_of(task), mean_loss(losses)


class FedYogiSplit(FedYogi):
    """FedYogi whose clients train a share of the tensors each, by backpropagation: what Spry is compared with.

    In each round the T trained tensors, in the order of their names, are dealt cyclically to the C clients that were
    drawn (arXiv 2405.15551, algorithm 1): with at least as many tensors as clients each tensor has one owner, with
    fewer each client has one tensor. The server averages each tensor over the clients that trained it, by their numbers
    of examples, and makes Yogi's step; a tensor that nobody answered for is taken not to have changed. Where the deal
    begins moves on by one client a round (ours): with full participation each tensor would else see the data of the
    same clients for ever.

    All weights are sent to the clients, their own tensors and the buffers are sent back. Buffers, such as
    BatchNorm's statistics, are averaged over all clients; the tensors that are not trained stay as they were.

    Args:
        trained: Modules or parameters that are trained, such as ``model.head``; the rest is frozen. None: all.
        server_lr: Step of the server, above 0.
        beta1: Memory of the first moment, in [0, 1).
        beta2: Memory of the second moment, in [0, 1).
        tau: Adaptivity, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = SplitClient

    def __init__(
        self,
        trained: Sequence[str] | None = None,
        server_lr: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.99,
        tau: float = 1e-3,
        client_fraction: float = 1.0,
    ) -> None:
        super().__init__(server_lr, beta1, beta2, tau, client_fraction)
        if isinstance(trained, str) or (trained is not None and not len(trained)):
            raise ValueError(f"trained: expected a list of modules or parameters, or None, got {trained!r}")
        self.parts = None if trained is None else tuple(trained)
        self.buffers: tuple[str, ...] = ()

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin.

        Args:
            state: Initial weights.
            num_clients: Number of clients.
            trained: Names of the parameters.

        Raises:
            ValueError: If no parameter goes by a name of ``trained`` of the constructor.
        """
        parameters = (
            [name for name, value in state.items() if value.is_floating_point()] if trained is None else trained
        )
        self.buffers = tuple(name for name in state if name not in parameters)
        for part in self.parts or ():
            if not any(belongs(name, part) for name in parameters):
                raise ValueError(
                    f"trained: expected modules or parameters of {', '.join(sorted(parameters))}, got {part!r}"
                )
        chosen = [n for n in parameters if self.parts is None or any(belongs(n, part) for part in self.parts)]
        super().initialize(state, num_clients, chosen)

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The global weights, and for each client the names of its tensors.

        Args:
            round: Number of the round.
            clients: Numbers of the clients that were drawn.
        """
        dealt = deal_tensors(sorted(self.trained), clients, round)
        return {number: self.request(round, tensors=json.dumps(names)) for number, names in dealt.items()}

    def check(self, round: int, reply: Message) -> str | None:
        """What is wrong with an answer; None if nothing is.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        arrays = reply.arrays if isinstance(reply, Message) else {}
        own = [name for name in sorted(self.trained) if name in arrays]
        if isinstance(reply, Message) and not own:
            return "sent none of the tensors to train"
        return wrong_arrays(reply, {name: self.state[name] for name in (*own, *self.buffers)})

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average each tensor over its owners, and hand the averages to `update`.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        average = dict(self.state)
        for name in (*self.buffers, *sorted(self.trained)):
            owners = [reply for reply in replies.values() if name in reply.arrays]
            shares = [reply.metrics["num_examples"] for reply in owners]
            if sum(shares) > 0:
                average |= weighted_average([{name: reply.arrays[name]} for reply in owners], shares)
        self.update(average)


class Spry(FedYogiSplit):
    r"""Forward-mode federated training (Panchal et al., NeurIPS 2024, arXiv 2405.15551, algorithm 1).

    A client estimates the gradient to its :math:`d_i` numbers from derivatives along K random directions
    (`graphml.federated.forward_gradient`) and takes the steps of `LocalTraining` with the estimates. Memory is that of
    a forward pass: no activation waits for a backward pass. The price is variance, :math:`\mathbb{E} \lVert
    \hat{\mathbf{g}}_i \rVert^2 = (d_i + 2) \lVert \mathbf{g}_i \rVert^2` for K = 1, which is why tensors are dealt out:
    the method is made for small adapters on a frozen network. The clients' learning rate must be about
    :math:`1 + (d_i + 1) / K` times smaller than that of backpropagation.

    The paper's clients send weights after an epoch or derivatives after a step; here, as elsewhere, weights after
    `LocalTraining`. Layers without a forward mode (`graphml.ops.centered_product`, so DER-GCN's convolutions) must be
    frozen: such a federation fails in its first round, by name.

    Args:
        trained: Modules or parameters that are trained, such as ``model.head``; the rest is frozen. None: all.
        draws: Directions K of a gradient, at least 1.
        server_lr: Step of the server, above 0.
        beta1: Memory of the first moment, in [0, 1).
        beta2: Memory of the second moment, in [0, 1).
        tau: Adaptivity, above 0.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        trained: Sequence[str] | None = None,
        draws: int = 1,
        server_lr: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.99,
        tau: float = 1e-3,
        client_fraction: float = 1.0,
    ) -> None:
        super().__init__(trained, server_lr, beta1, beta2, tau, client_fraction)
        if draws < 1:
            raise ValueError(f"draws: expected at least 1, got {draws}")
        self.client = functools.partial(SpryClient, draws=draws)


def deal_tensors(names: Sequence[str], clients: Sequence[int], round: int) -> dict[int, list[str]]:
    """Deal tensors to clients, cyclically.

    Args:
        names: T names, at least one.
        clients: C numbers of clients, at least one.
        round: Number of the round, where the deal begins.

    Returns:
        For each client its names, at least one; each name is dealt.
    """
    dealt: dict[int, list[str]] = {number: [] for number in clients}
    for place in range(max(len(names), len(clients))):
        dealt[clients[(place + round) % len(clients)]].append(names[place % len(names)])
    return dealt
