"""Clients that train as one: their graphs side by side, their weights stacked."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphml.federated.client import Client, Pull
from graphml.federated.client_data import NodeData
from graphml.federated.engines.block_graph import block_graph
from graphml.federated.engines.layout import Layout
from graphml.federated.engines.stacked import set_stack, set_weights, slices, stack
from graphml.federated.weights import Weights
from graphml.tasks.node_mean import NodeMeanTask


class JointClients:
    """Built once for a set of clients: block-diagonal graph and stacked task.

    Args:
        clients: At least one, of one task and one way of local training, each with a graph of at least a node.

    Raises:
        TypeError: If the task's model cannot be stacked.
        ValueError: If the clients' graphs have different attributes.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = sorted(clients, key=lambda client: (-graph_of(client).num_nodes, client.number))
        self.graphs = graphs = [graph_of(client) for client in self.clients]
        self.layout = Layout.of([graph.num_nodes for graph in graphs])
        self.graph = block_graph(graphs, self.layout)
        self.task: NodeMeanTask = stack(self.clients[0].task, self.layout)  # type: ignore[assignment]
        self._owner = self.layout.owner[self.graph.train_mask]
        self._share = 1 / torch.bincount(self._owner, minlength=len(graphs))[self._owner].float()

    def train(
        self, starts: Sequence[Weights], pulls: Sequence[Pull | None], generator: torch.Generator
    ) -> tuple[list[Weights], list[float], int]:
        """Local training of all clients, which all have training nodes.

        Args:
            starts: Weights that each starts from, in the order of ``clients``.
            pulls: What is added to the gradients of each.
            generator: Where the losses draw from.

        Returns:
            The weights of each after it, valid until the next call; the mean loss of each; the number of steps.
        """
        task, local = self.task.train(), self.clients[0].local
        set_weights(task, starts)
        pull = stacked_pull(pulls, dict(task.named_parameters()))
        optimizer = local.make_optimizer(task)
        totals = torch.zeros(len(starts))
        for _ in range(local.epochs):
            optimizer.zero_grad()
            # The sum of the clients' mean losses: its gradient to a client's slice is that of the client's own mean.
            losses = task.node_losses(task.network, self.graph, generator)["loss"] * self._share
            losses.sum().backward()
            if pull is not None:
                pull.add_to(task.named_parameters())
            optimizer.step()
            totals.index_add_(0, self._owner, losses.detach())
        return slices(task), (totals / local.epochs).tolist(), local.epochs

    @torch.no_grad()
    def outputs(self, states: Sequence[Weights]) -> list[Tensor]:
        """What each client's network makes of its graph in evaluation mode.

        Args:
            states: Weights of each, in the order of ``clients``.

        Returns:
            A row a node of each client.
        """
        task = self.task.eval()
        set_weights(task, states)
        rows = task.network(self.graph)
        return [rows[start : start + size] for start, size in zip(self.layout.starts, self.layout.sizes, strict=False)]


class Known(nn.Module):
    """Stands for a network whose output on the batch at hand is known.

    Args:
        output: The output.
    """

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, batch: object) -> Tensor:
        """The output, whatever the batch."""
        return self.output


def graph_of(client: Client) -> Data:
    """The graph that a client trains on.

    Args:
        client: The client.

    Raises:
        TypeError: If it trains on anything else.
    """
    data = client.view(client.data)
    if type(data) is not NodeData:
        raise TypeError(f"client: expected one that trains on NodeData, got {type(data).__name__}")
    return data.data


def stacked_pull(pulls: Sequence[Pull | None], parameters: dict[str, Tensor]) -> Pull | None:
    """The pulls of K clients as one on their stacked weights.

    Args:
        pulls: What each client's algorithm adds to its gradients.
        parameters: The stacked parameters.

    Returns:
        The pull; None where none of the clients has one.

    Raises:
        ValueError: If the clients' strengths differ.
    """
    if all(pull is None for pull in pulls):
        return None
    whole = [pull or Pull() for pull in pulls]
    strengths = {pull.strength for pull in whole}
    if len(strengths) > 1:
        raise ValueError(f"pulls: expected one strength for all clients, got {sorted(strengths)}")
    towards = [pull.towards for pull in whole if pull.towards is not None]
    drifts = [pull.drift or {} for pull in whole]
    named = {name for drift in drifts for name in drift} & parameters.keys()
    return Pull(
        strength=strengths.pop(),
        towards=_stacked(towards, parameters) if towards else None,
        drift=_stacked(drifts, {name: parameters[name] for name in parameters if name in named}) if named else None,
    )


def _stacked(states: Sequence[Weights], parameters: dict[str, Tensor]) -> Weights:
    """Stacks that lie in memory as the parameters do; zeros for what a state does not name."""
    out = {}
    for name, parameter in parameters.items():
        out[name] = torch.empty_like(parameter)
        zeros = torch.zeros(parameter.shape[1:])
        set_stack(out[name], [state.get(name, zeros) for state in states])
    return out
