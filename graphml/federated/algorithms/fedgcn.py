"""FedGCN: neighbours in other clients come in as sums of features, once, before training."""

import functools
import operator
from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array, vstack
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, contains_self_loops, remove_self_loops

from graphml.data.transforms import ToSparseFeatures
from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.mending import MendingClient, with_extra_nodes
from graphml.federated.faults import not_finite
from graphml.federated.matrices import packed, unpacked
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights
from graphml.models import GCN


class FedGCNClient(MendingClient):
    """Sends what its nodes add to the sums of nodes elsewhere, and gets what nodes elsewhere add to its own."""

    def prepare(self, request: Message) -> Message:
        """Send sums in the first round, keep those of the others in the second.

        Args:
            request: ``config`` holds the number of ``hops``; in round 0 the arrays are those of `exchanged`.

        Raises:
            TypeError: If the model is no GCN.
        """
        if not isinstance(self.task.encoder, GCN):
            got = type(self.task.encoder).__name__
            raise TypeError(f"task: FedGCN replaces the first propagation of graphml.models.GCN, got {got}")
        if int(request.config["round"]) == 0:
            self.keep(request.arrays)
            return self.acknowledge()
        return Message(self._sums(int(request.config["hops"])), {"num_examples": self.data.num_examples("train")})

    def _sums(self, hops: int) -> Weights:
        """What the server is sent.

        Returns:
            ``nodes`` [n], numbers of all own nodes; ``border`` [b], those with neighbours elsewhere; ``outside`` [c],
            those neighbours; ``sums`` [c, F], what own nodes add to the sums of these. For two hops ``inside`` [b, F],
            what own nodes add to the sums of the border, and its degrees ``degree`` [b].
        """
        graph = self.graph
        own, outside, column = _cut(graph)
        border = own.unique()
        degree = _degrees(graph, own)
        scaled = _scaled(graph, degree)
        arrays = {"nodes": graph.n_id, "border": graph.n_id[border], "outside": outside}
        arrays |= under("sums", packed(_adjacency(torch.stack([own, column]), (len(outside), len(degree))) @ scaled))
        if hops == 2:
            local = _adjacency(graph.edge_index.as_tensor(), (len(degree), len(degree)))
            arrays |= {"degree": degree[border], **under("inside", packed(local[border.numpy()] @ scaled))}
        return arrays

    def mended(self, parts: Weights) -> Data:
        """The own graph, and for two hops the neighbours elsewhere, with features that are already propagated.

        The first of the weights' rows is the identity, so that a GCN's first layer takes the features as they are. The
        others are, for two hops, those rows and columns of the whole graph's normalised adjacency matrix; for one hop
        they are normalised by the degrees in the client's own graph, as there are no neighbours elsewhere to weigh.

        Args:
            parts: Arrays of `exchanged`.
        """
        graph = self.graph
        own, _, column = _cut(graph)
        degree = _degrees(graph, own)
        size = len(degree)
        sums = _adjacency(graph.edge_index.as_tensor(), (size, size)) @ _scaled(graph, degree)
        sums = sums + _placed(unpacked(taken_from("border", parts)), own.unique(), size)
        edges = [remove_self_loops(graph.edge_index.as_tensor())[0]]
        seen = _degrees(graph, own[:0])
        if "degree" in parts:
            sums = vstack([sums, unpacked(taken_from("outside", parts))], format="csr")
            seen = degree = torch.cat([degree, parts["degree"]])
            edges += [torch.stack([own, size + column]), torch.stack([size + column, own])]
        edges += [torch.arange(len(degree)).expand(2, -1)]
        x = torch.from_numpy((diags_array(_inverse_root(degree).numpy()) @ sums).toarray())
        out = with_extra_nodes(graph, x, torch.cat(edges, dim=1))
        out.edge_weight = self._layer_weights(out.edge_index.as_tensor(), seen)
        # The sums of bags of words have several times as many words: sparse only where that is still worth it.
        return ToSparseFeatures(ToSparseFeatures.WORTHWHILE)(out) if graph.x.layout == torch.sparse_csr else out

    def _layer_weights(self, edge_index: Tensor, degree: Tensor) -> Tensor:
        """Weights [num_layers, E]; a graph without self-loops has them for the first layer alone."""
        source, target = edge_index
        scale = _inverse_root(degree)
        weight = scale[source] * scale[target]
        if not contains_self_loops(self.graph.edge_index.as_tensor()):
            weight[source == target] = 0
        weights = weight.repeat(len(self.task.encoder.lins), 1)  # type: ignore[arg-type]
        weights[0] = source == target
        return weights


class FedGCN(FedAvg):
    r"""FedGCN (Yao, Jin, Ravi, Joe-Wong, NeurIPS 2023, arXiv 2201.12433): FedAvg of a GCN that misses no neighbour.

    .. math::
        \mathbf{s}_i = d_i^{-1/2} \sum_k \sum_{j \in \mathcal{N}(i) \cap \mathcal{V}_k} d_j^{-1/2} \mathbf{x}_j

    are the features that a GCN's first layer works on, with the degrees :math:`d` of the whole graph. Before training
    every client :math:`k` sends its part of the sums of nodes in other clients, the server adds the parts up, and each
    client gets the sums of

    - 0 hops: nothing (`FedAvg`);
    - 1 hop: its own nodes, so that the first layer is exact; deeper ones see the client's own graph alone;
    - 2 hops: its own nodes and their neighbours elsewhere (their degrees too), so that two layers are exact: a client
      computes on its nodes what a GCN on the whole graph computes.

    The global model has the weights of a GCN as any other, and is evaluated on the whole graph as it is.

    What it gives away: the server sees who holds which node, which nodes are joined across clients, and sums of scaled
    features; a sum of a single neighbour is that neighbour's features, and a client can subtract its own part of the
    sums that two hops bring. The paper encrypts the sums homomorphically, so that the server adds what it cannot read;
    that is not done here.

    Every node must be in exactly one client.

    Args:
        hops: 0, 1 or 2.
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If the number of hops is another.
    """

    client = FedGCNClient

    def __init__(self, hops: int = 2, client_fraction: float = 1.0) -> None:
        super().__init__(client_fraction)
        if hops not in (0, 1, 2):
            raise ValueError(f"hops: expected 0, 1 or 2, got {hops}")
        self.hops = hops
        self.preparation = 2 if hops > 0 else 0

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Ask for sums, hand out sums, or start a round of FedAvg.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        if round > 0:
            return super().configure_fit(round, clients)
        config: dict[str, Scalar] = {"round": round, "hops": self.hops}
        return {client: Message(taken_from(str(client), self.memory), config=config) for client in clients}

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Add up the sums in the first round; forget them when they are handed out.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        if round > 0:
            super().aggregate_fit(round, replies)
            return
        answers = exchanged({client: reply.arrays for client, reply in replies.items()}) if round == -1 else {}
        self.memory = {
            name: array for client, answer in answers.items() for name, array in under(str(client), answer).items()
        }

    def check(self, round: int, reply: Message) -> str | None:
        """Sums must be finite matrices of as many rows as there are nodes.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        if round > 0:
            return super().check(round, reply)
        return not_finite(reply) or (_wrong_sums(reply.arrays, self.hops) if round == -1 else None)


def exchanged(sums: dict[int, Weights]) -> dict[int, Weights]:
    """Add up what the clients sent.

    Args:
        sums: For each client the arrays of its answer (``nodes``, ``border``, ``outside``, ``sums`` and, for two hops,
            ``inside`` and ``degree``).

    Returns:
        For each client ``border`` [b, F], what other clients add to the sums of its border. For two hops ``outside``
        [c, F], the whole sums of its neighbours elsewhere, and their ``degree`` [c].

    Raises:
        ValueError: If a node is in several clients, or a neighbour in none, or the clients' features differ in number.
    """
    rows = _boundary(sums)
    total = _added(sums, "sums", "outside", rows)
    answers = {
        client: under("border", packed(total[_find(part["border"], rows).numpy()])) for client, part in sums.items()
    }
    if not all("degree" in part for part in sums.values()):
        return answers
    whole = total + _added(sums, "inside", "border", rows)
    degree = torch.zeros(len(rows))
    for part in sums.values():
        degree[_find(part["border"], rows)] = part["degree"]
    for client, part in sums.items():
        place = _find(part["outside"], rows)
        answers[client] |= {"degree": degree[place], **under("outside", packed(whole[place.numpy()]))}
    return answers


def _boundary(sums: dict[int, Weights]) -> Tensor:
    """Nodes with neighbours in another client, ascending."""
    nodes, border, outside = (
        torch.cat([part[name] for part in sums.values()]) for name in ("nodes", "border", "outside")
    )
    rows: Tensor = outside.unique()
    if len(nodes.unique()) < len(nodes) or not torch.equal(rows, border.sort().values):
        raise ValueError("partition: FedGCN expects every node in exactly one client, got nodes in several or in none")
    return rows


def _added(sums: dict[int, Weights], name: str, at: str, rows: Tensor) -> csr_array:
    """Sum of the clients' matrices, each laid at its nodes' places among all rows."""
    parts = [_placed(unpacked(taken_from(name, part)), _find(part[at], rows), len(rows)) for part in sums.values()]
    if len({part.shape for part in parts}) > 1:
        raise ValueError(
            f"sums: expected equally many features of all clients, got {[part.shape[1] for part in parts]}"
        )
    return functools.reduce(operator.add, parts)


def _wrong_sums(arrays: Weights, hops: int) -> str | None:
    """What is wrong with a client's sums; None if nothing is."""
    rows = {"sums": "outside"} | ({"inside": "border", "degree": "border"} if hops == 2 else {})
    missing = ({"nodes", "border", "outside"} | ({"degree"} if hops == 2 else set())) - arrays.keys()
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    for name, at in rows.items():
        try:
            got = len(arrays[name]) if name in arrays else unpacked(taken_from(name, arrays)).shape[0]
        except ValueError as error:
            return f"sent {name} that cannot be read: {error}"
        if got != len(arrays[at]):
            return f"sent {name} of {got} rows, expected {len(arrays[at])}"
    return None


def _cut(graph: Data) -> tuple[Tensor, Tensor, Tensor]:
    """Cut edges: own end [e], nodes at the other ends [c], and the place among these of each edge's other end [e]."""
    if "n_id" not in graph or "cut_edge_index" not in graph:
        raise TypeError(f"data: expected a graph with n_id and cut_edge_index, got one with {', '.join(graph.keys())}")
    own, other = coalesce(graph.cut_edge_index)
    outside, column = other.unique(return_inverse=True)
    return own, outside, column


def _degrees(graph: Data, own: Tensor) -> Tensor:
    """Degrees [n] in the whole graph."""
    ends = torch.cat([graph.edge_index.as_tensor()[1], own])
    return ends.bincount(minlength=graph.num_nodes).float()


def _inverse_root(degree: Tensor) -> Tensor:
    root: Tensor = degree.clamp(min=1).rsqrt() * (degree > 0)
    return root


def _scaled(graph: Data, degree: Tensor) -> csr_array:
    """Features, each node's divided by the root of its degree."""
    x = graph.x
    if x.layout == torch.sparse_csr:
        parts = (x.values().numpy(), x.col_indices().numpy(), x.crow_indices().numpy())
        features = csr_array(parts, shape=tuple(x.shape))
    else:
        features = csr_array(x.numpy())
    return diags_array(_inverse_root(degree).numpy()) @ features


def _adjacency(edge_index: Tensor, shape: tuple[int, int]) -> csr_array:
    """Matrix with a one for each edge, its row the target."""
    source, target = edge_index.numpy()
    return csr_array((np.ones(len(source), dtype=np.float32), (target, source)), shape=shape)


def _placed(matrix: csr_array, at: Tensor, size: int) -> csr_array:
    """The rows of a matrix at other places [R], among rows of zeros."""
    return _adjacency(torch.stack([torch.arange(len(at)), at]), (size, len(at))) @ matrix


def _find(nodes: Tensor, rows: Tensor) -> Tensor:
    """Places of nodes among the ascending rows."""
    return torch.searchsorted(rows, nodes)
