"""What algorithms share that mend the edges which a partition cuts: an exchange, then training on another graph."""

import abc

import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Data

from graphml.data.transforms import ToSortedEdgeIndex
from graphml.federated.client import Client
from graphml.federated.client_data import STAGES, ClientData, NodeData
from graphml.federated.message import Message, taken_from, under
from graphml.federated.weights import Weights


class MendingClient(Client, abc.ABC):
    """Takes part in an exchange before the first round, and from then on trains on a graph that the exchange mended.

    What the exchange left is remembered as ``mended/...``; the graph is made of it when it is needed.
    """

    _made: tuple[Weights, ClientData] | None = None

    @property
    def graph(self) -> Data:
        """The client's own subgraph.

        Raises:
            TypeError: If the client's data are no graph.
        """
        if not isinstance(self.data, NodeData):
            raise TypeError(f"data: expected NodeData, the graph of a client, got {type(self.data).__name__}")
        return self.data.data

    def fit(self, request: Message) -> Message:
        """Take part in the exchange in rounds up to 0; train in the others.

        Args:
            request: The server's message.
        """
        return self.prepare(request) if int(request.config["round"]) < 1 else super().fit(request)

    @abc.abstractmethod
    def prepare(self, request: Message) -> Message:
        """One round of the exchange.

        Args:
            request: The server's message.
        """

    @abc.abstractmethod
    def mended(self, parts: Weights) -> Data:
        """The client's graph with what was cut off put back.

        Args:
            parts: What `keep` was given.
        """

    def keep(self, parts: Weights) -> None:
        """Remember what the exchange left, and forget all that was needed on the way.

        Args:
            parts: Tensors by name.
        """
        self.memory = under("mended", parts)

    def view(self, data: ClientData) -> ClientData:
        """The mended graph in place of the client's own; other data as they are.

        Args:
            data: The client's own data, or those that it is evaluated on.
        """
        parts = taken_from("mended", self.memory)
        if data is not self.data or not parts:
            return data
        if self._made is None or any(self._made[0].get(name) is not part for name, part in parts.items()):
            self._made = parts, NodeData(self.mended(parts))
        return self._made[1]

    def acknowledge(self) -> Message:
        """An answer that says nothing but that the request was understood."""
        return Message(metrics={"num_examples": self.data.num_examples("train")})


def with_extra_nodes(graph: Data, x: Tensor, edge_index: Tensor) -> Data:
    """A graph whose first nodes are a client's own; the others have no label (-1) and are in no mask.

    Args:
        graph: The client's own graph, of n nodes.
        x: Features of the n nodes and of the others, [N, F].
        edge_index: Symmetric edges among all of them, [2, E].

    Returns:
        The graph, with the spectral density of the client's own, and without weights.
    """
    extra = x.size(0) - int(graph.num_nodes or 0)
    out = Data(x=x, edge_index=edge_index, y=F.pad(graph.y, (0, extra), value=-1))
    for stage in STAGES:
        out[f"{stage}_mask"] = F.pad(graph[f"{stage}_mask"], (0, extra))
    if "density" in graph:
        out.density = graph.density
    sorted_edges: Data = ToSortedEdgeIndex()(out)
    return sorted_edges
