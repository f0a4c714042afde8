"""GCFL+: clusters of clients whose updates take the same course, each with a model of its own."""

from collections.abc import Collection, Mapping, Sequence

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.message import Message, taken_from, under
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, difference, weighted_average


class GCFLPlus(FedAvg):
    r"""Clustered federated learning on graphs (Xie, Ma, Xiong, Yang, NeurIPS 2021, arXiv 2106.13423, section 4.3).

    All clients begin in one cluster, and each cluster :math:`C` is a `FedAvg` of its own. It is split in two when it
    has come to rest but its clients have not,

    .. math::
        \Big\lVert \frac{1}{|C|} \sum_{k \in C} \Delta_k \Big\rVert < \varepsilon_1 \quad \text{and} \quad
        \max_{k \in C} \lVert \Delta_k \rVert > \varepsilon_2

    with :math:`\Delta_k` the change of client :math:`k`'s parameters in this round. The cut is the lightest of the
    complete graph (Stoer and Wagner) whose weights are :math:`\max d - d_{kl}`, with :math:`d_{kl}` the `dtw_distances`
    of the last ``window`` norms :math:`\lVert \Delta_k \rVert`. The new clusters average this round's answers already,
    and their clients' norms are collected anew. A cluster of fewer than three clients stays as it is.

    Both thresholds are lengths of updates, so that they depend on the learning rate and the local steps. Where not all
    clients are drawn in each round, the norms are the last ones that each client sent, and the mean and the maximum are
    those of the members that answered.

    A sequence is of the norms of all parameters' updates; the reference implementation takes the norms of the last
    gradients of the convolutions. ``state`` is the average of all clients' answers and nobody is sent it; the weights
    of the clusters are in ``memory``.

    Args:
        eps1: Threshold :math:`\varepsilon_1` of the mean update's norm, not negative; 0 never splits.
        eps2: Threshold :math:`\varepsilon_2` of the largest norm of an update, not negative.
        window: Length of the sequences that are compared, at least 1.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    personalised = True

    def __init__(self, eps1: float = 0.05, eps2: float = 0.1, window: int = 10, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        for name, value in (("eps1", eps1), ("eps2", eps2)):
            if not value >= 0:
                raise ValueError(f"{name}: expected a norm of at least 0, got {value}")
        if window < 1:
            raise ValueError(f"window: expected at least 1, got {window}")
        self.eps1, self.eps2, self.window = eps1, eps2, window

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin with all clients in cluster 0.

        Args:
            state: Initial weights.
            num_clients: Number of clients K.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        # NaN where a client has not sent so many updates yet.
        norms = torch.full((num_clients, self.window), torch.nan, dtype=torch.float64)
        assignment = torch.zeros(num_clients, dtype=torch.int64)
        self.memory = {"assignment": assignment, "norms": norms}

    @property
    def assignment(self) -> Tensor:
        """Cluster of each client, int64 [K]; clusters are numbered from 0 in the order in which they came up."""
        return self.memory["assignment"]

    def cluster(self, number: int) -> Weights:
        """Weights of a cluster; the initial ones before anything was averaged.

        Args:
            number: Its number.
        """
        return self.state | taken_from(f"cluster/{number}", self.memory)

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Each client's cluster's weights.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        clusters = self.assignment[list(clients)].tolist()
        messages = {number: Message(self.cluster(number), config={"round": round}) for number in set(clusters)}
        return {client: messages[number] for client, number in zip(clients, clusters, strict=True)}

    def configure_evaluate(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The same as for training.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return self.configure_fit(round, clients)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Split clusters that are at rest, and average in each.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        updates = {client: self._update(client, reply) for client, reply in replies.items()}
        norms = self.memory["norms"].clone()
        for client, update in updates.items():
            norms[client] = torch.cat([norms[client, 1:], update.norm()[None]])
        assignment = self.assignment.clone()
        for number in range(int(assignment.max()) + 1):
            members = (self.assignment == number).nonzero().squeeze(1)
            if self._is_torn(members, updates, norms):
                assignment[members[bipartition(norms[members].numpy())]] = assignment.max() + 1
                norms[members] = torch.nan
        self.memory = {"assignment": assignment, "norms": norms} | self._averages(assignment, replies)
        super().aggregate_fit(round, replies)

    def _update(self, client: int, reply: Message) -> Tensor:
        """What a client changed, all parameters end to end in double precision."""
        sent = self.cluster(int(self.assignment[client]))
        change = difference({name: reply.arrays[name] for name in sorted(self.trained)}, sent)
        return torch.cat([value.double().flatten() for value in change.values()])

    def _is_torn(self, members: Tensor, updates: Mapping[int, Tensor], norms: Tensor) -> bool:
        """Whether a cluster is at rest, and its members are not."""
        moved = [updates[client] for client in members.tolist() if client in updates]
        if len(members) < 3 or not moved or bool(norms[members].isnan().any()):
            return False
        mean = torch.stack(moved).mean(0).norm()
        return bool(mean < self.eps1 and max(update.norm() for update in moved) > self.eps2)

    def _averages(self, assignment: Tensor, replies: Replies) -> Weights:
        """Weights of all clusters; one without examples in this round has those of the cluster that it was part of."""
        out: Weights = {}
        for number in range(int(assignment.max()) + 1):
            members = (assignment == number).nonzero().squeeze(1).tolist()
            weights = self.cluster(int(self.assignment[members[0]]))
            answers = [replies[client] for client in members if client in replies]
            shares = [answer.metrics["num_examples"] for answer in answers]
            if sum(shares) > 0:
                weights = weighted_average([{name: a.arrays[name] for name in self.state} for a in answers], shares)
            out |= under(f"cluster/{number}", weights)
        return out


def bipartition(sequences: np.ndarray) -> list[int]:
    """Cut the similarity graph of sequences where it is lightest.

    Args:
        sequences: ``[K, T]``, at least two.

    Returns:
        Rows of one part, ascending; the part without row 0.
    """
    distances = dtw_distances(sequences)
    similarity = distances.max() - distances
    graph: nx.Graph[int] = nx.Graph()
    # All pairs: an edge of weight 0 is one too, or the graph would fall apart.
    graph.add_weighted_edges_from((i, j, similarity[i, j]) for i in range(len(sequences)) for j in range(i))
    _, parts = nx.stoer_wagner(graph)
    return sorted(next(part for part in parts if 0 not in part))


def dtw_distances(sequences: np.ndarray) -> np.ndarray:
    r"""Dynamic time warping distances of sequences (Sakoe and Chiba, 1978), without a window.

    .. math::
        D_{ij} = (a_i - b_j)^2 + \min(D_{i-1,j}, D_{i,j-1}, D_{i-1,j-1}), \qquad d(a, b) = \sqrt{D_{TT}}

    Args:
        sequences: ``[K, T]``.

    Returns:
        Symmetric distances ``[K, K]``, 0 on the diagonal.
    """
    count, length = sequences.shape
    previous = np.full((count, count, length + 1), np.inf)
    previous[..., 0] = 0.0
    for i in range(length):
        current = np.full_like(previous, np.inf)
        for j in range(length):
            step = np.minimum(np.minimum(previous[..., j + 1], current[..., j]), previous[..., j])
            current[..., j + 1] = np.square(sequences[:, None, i] - sequences[None, :, j]) + step
        previous = current
    return np.sqrt(previous[..., -1])
