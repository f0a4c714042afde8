"""FED-PUB: each client gets the average of the models that work like its own, and masks it."""

import functools
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch_geometric.data import Data
from torch_geometric.utils import add_self_loops, contains_self_loops, stochastic_blockmodel_graph

from graphml.data.transforms import SymmetricNormalization, ToSortedEdgeIndex
from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, Pull, mean_loss
from graphml.federated.client_data import NodeData
from graphml.federated.faults import wrong_arrays
from graphml.federated.message import Message, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, parameter_names, weighted_average, weights_of
from graphml.tasks.task import Task

BLOCKS, BLOCK_SIZE, INSIDE = 5, 100, 0.1
"""The random graph of the reference implementation: blocks, nodes in each, and probability of an edge within one."""


class FedPubClient(Client):
    """Trains weights and the masks that they are multiplied by; the masks stay here.

    Args:
        *args: As for `Client`.
        sparsity: Weight of the masks, and the least that an entry counts.
        proximal: Weight of the squared distance to the weights that were sent.
        **kwargs: As for `Client`.

    Raises:
        TypeError: If the client has no graph.
    """

    def __init__(self, *args: Any, sparsity: float = 1e-3, proximal: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.data, NodeData):
            raise TypeError(f"data: expected NodeData, a graph for each client, got {type(self.data).__name__}")
        self.graph, self.sparsity, self.proximal = self.data.data, sparsity, proximal

    def masks(self) -> Weights:
        """A mask for each matrix among the parameters; all ones before the first training."""
        trained = parameter_names(self.task)
        matrices = {name: value for name, value in self.initial.items() if name in trained and value.dim() > 1}
        return {name: torch.ones_like(value) for name, value in matrices.items()} | taken_from("mask", self.memory)

    def pull(self, request: Message, start: Weights) -> Pull:
        """Towards the weights that were sent.

        Args:
            request: The server's message.
            start: The weights that were sent.
        """
        return Pull(strength=2 * self.proximal, towards=start)

    def train(self, start: Weights, pull: Pull | None, generator: torch.Generator) -> tuple[Weights, dict[str, float]]:
        """Local training of weights and masks, by one optimizer.

        Args:
            start: Weights to start from.
            pull: What is added to the gradients.
            generator: Where batches and losses draw from.

        Returns:
            The weights and, as ``mask/...``, the masks after it; ``loss`` (without penalties) and ``steps``.
        """
        task, whole = self.task, _Loss(self.task)
        task.load_state_dict(start)
        task.train()
        masks = {name: nn.Parameter(mask.clone()) for name, mask in self.masks().items()}
        optimizer = self.local.make_optimizer(task)
        optimizer.add_param_group({"params": list(masks.values())})
        losses = []
        for _ in range(self.local.epochs):
            for batch in self.data.batches("train", generator):
                optimizer.zero_grad()
                masked = {f"task.{name}": task.get_parameter(name) * mask for name, mask in masks.items()}
                loss = functional_call(whole, masked, (batch, generator))
                (loss + self.sparsity * sum(mask.abs().sum() for mask in masks.values())).backward()
                if pull is not None:
                    pull.add_to(task.named_parameters())
                optimizer.step()
                losses.append(loss.detach())
        return weights_of(task) | under("mask", {name: mask.detach() for name, mask in masks.items()}), mean_loss(
            losses
        )

    def finish(self, request: Message, start: Weights, end: Weights, metrics: dict[str, float]) -> Message:
        """Remember the masks, send the weights, and tell how the masked model works.

        Args:
            request: The server's message.
            start: Weights that training started from.
            end: Weights and masks after it.
            metrics: What `train` measured.

        Returns:
            The weights before they are masked, and as ``embedding`` what `functional_embedding` returns.
        """
        weights = {name: end[name] for name in start}
        self.memory = self.memory | under("mask", taken_from("mask", end))
        reply = super().finish(request, start, weights, metrics)
        self.task.load_state_dict(pruned(weights, self.masks(), self.sparsity))
        graph = random_graph(self.graph, derived_seed(self.seed, 0, -5))
        return Message(reply.arrays | {"embedding": functional_embedding(self.task, graph)}, reply.metrics)

    def evaluated(self, request: Message) -> Weights:
        """The weights that were sent, masked.

        Args:
            request: The server's message.
        """
        return pruned(self.start(request), self.masks(), self.sparsity)


class FedPub(FedAvg):
    r"""FED-PUB (Baek, Jeong, Jin, Yoon, Hwang, ICML 2023, arXiv 2206.10206): personalised subgraph learning.

    The server shows every client's model the same random graph :math:`\tilde{G}`, a stochastic block model with normal
    features, and takes the mean of its outputs for what the model does, :math:`\mathbf{h}_k`. Client :math:`k` is sent

    .. math::
        \bar{\mathbf{w}}_k = \sum_l \alpha_{kl} \mathbf{w}_l, \qquad
        \alpha_{kl} = \operatorname{softmax}_l(\tau \cos(\mathbf{h}_k, \mathbf{h}_l))

    over the clients of the round, and minimises over its weights and a mask :math:`\mathbf{m}_k` of its own

    .. math::
        F_k(\mathbf{w} \odot \mathbf{m}_k) + \lambda_1 \lVert \mathbf{m}_k \rVert_1 +
        \lambda_2 \lVert \mathbf{w} - \bar{\mathbf{w}}_k \rVert_2^2

    Predictions are made with masks whose entries below :math:`\lambda_1` are 0, as in the reference implementation,
    which has masks for the matrices alone too. There both penalties are computed from detached weights and have no
    gradients; here they work as the paper writes them.

    What is simpler here: the outputs :math:`\mathbf{h}_k` are those of ``task.encoder``, embeddings where the task has
    a head and logits where the model is whole (the reference takes the last hidden layer), and clients compute them
    themselves, as the reference does, on a graph that all draw from the run's seed. A client that is not drawn keeps
    the weights of the last round in which it was; one that never was has the average of `FedAvg`, which is ``state``.
    The server keeps a model for each client.

    Args:
        tau: Temperature :math:`\tau`, not negative; 0 is the plain mean for all, and clients train alone as it grows.
        sparsity: Weight :math:`\lambda_1` of the masks, not negative; also the least that an entry counts.
        proximal: Weight :math:`\lambda_2` of the distance to the weights that were sent, not negative.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = FedPubClient
    personalised = True

    def __init__(
        self, tau: float = 10.0, sparsity: float = 1e-3, proximal: float = 1e-3, client_fraction: float = 1.0
    ) -> None:
        super().__init__(client_fraction)
        for name, value in (("tau", tau), ("sparsity", sparsity), ("proximal", proximal)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value}")
        self.tau = tau
        self.client = functools.partial(FedPubClient, sparsity=sparsity, proximal=proximal)

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Each client's own average.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return {client: Message(self.average_for(client), config={"round": round}) for client in clients}

    def configure_evaluate(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The same as for training.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return self.configure_fit(round, clients)

    def average_for(self, client: int) -> Weights:
        """Weights that a client is sent.

        Args:
            client: Its number.
        """
        return self.state | taken_from(f"client/{client}", self.memory)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average for each client by how alike the models work.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks; one whose embedding has not the size of most is left out.
        """
        replies = _of_one_size(replies)
        super().aggregate_fit(round, replies)
        states = [{name: reply.arrays[name] for name in self.state} for reply in replies.values()]
        shares = similarity_shares(torch.stack([reply.arrays["embedding"] for reply in replies.values()]), self.tau)
        for client, row in zip(replies, shares.tolist(), strict=True):
            self.memory = self.memory | under(f"client/{client}", weighted_average(states, row))

    def check(self, round: int, reply: Message) -> str | None:
        """Weights, and an embedding of whatever size.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        sent = reply.arrays.get("embedding") if isinstance(reply, Message) else None
        return wrong_arrays(reply, self.expected(round) | {"embedding": torch.empty(0) if sent is None else sent})


def _of_one_size(replies: Replies) -> Replies:
    """Answers whose embeddings can be compared: only together can it be told which size is the right one."""
    sizes = {client: tuple(reply.arrays["embedding"].shape) for client, reply in replies.items()}
    usual = Counter(sizes.values()).most_common(1)[0][0]
    for client, size in sizes.items():
        if size != usual:
            warnings.warn(f"client {client} sent an embedding of shape {size}, others {usual}: left out", stacklevel=2)
    return {client: reply for client, reply in replies.items() if sizes[client] == usual}


class _Loss(nn.Module):
    """A task's loss as a module, whose parameters can be replaced for a call."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, batch: Data, generator: torch.Generator) -> Tensor:
        loss, _ = self.task.loss(self.task.network, batch, generator)
        return loss


def pruned(weights: Weights, masks: Weights, threshold: float) -> Weights:
    """Weights times masks, with 0 for entries of a mask that are nearer to 0 than the threshold.

    Args:
        weights: Weights.
        masks: Masks of some of them.
        threshold: The threshold.
    """
    return weights | {name: weights[name] * mask.masked_fill(mask.abs() < threshold, 0) for name, mask in masks.items()}


def similarity_shares(embeddings: Tensor, tau: float) -> Tensor:
    r"""Shares of the average for each client: the softmax of :math:`\tau` times the cosines.

    Args:
        embeddings: ``[K, D]``.
        tau: Temperature.

    Returns:
        ``[K, K]`` in double precision; rows sum to 1.
    """
    unit = F.normalize(embeddings.double(), dim=1)
    return (tau * unit @ unit.t()).softmax(dim=1)


@torch.no_grad()
def functional_embedding(task: Task, graph: Data) -> Tensor:
    """Mean of what the encoder puts out on a graph: what a model does, as a vector.

    Args:
        task: The task; it is left in evaluation mode.
        graph: The graph.

    Returns:
        ``[D]``.
    """
    task.eval()
    out: Tensor = task.encoder(graph.x, graph.edge_index, graph.edge_weight, None)
    return out.mean(dim=0)


def random_graph(like: Data, seed: int) -> Data:
    """A stochastic block model without edges between blocks, and standard normal features.

    Args:
        like: Graph whose number of features it has, and self-loops if that has any.
        seed: Seed of edges and features.

    Returns:
        A graph of 500 nodes with normalised weights.
    """
    with forked_random_state(seed):
        edges = stochastic_blockmodel_graph(torch.full((BLOCKS,), BLOCK_SIZE), INSIDE * torch.eye(BLOCKS))
        x = torch.randn(BLOCKS * BLOCK_SIZE, like.num_features)
    if contains_self_loops(like.edge_index.as_tensor()):
        edges, _ = add_self_loops(edges, num_nodes=len(x))
    graph: Data = SymmetricNormalization()(ToSortedEdgeIndex()(Data(x=x, edge_index=edges)))
    return graph
