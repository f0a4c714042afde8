"""What can be seen of a federation."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch_geometric.data import Data

from graphml.federated.client_data import NodeData
from graphml.federated.engines import SequentialEngine
from graphml.federated.local_steps import learning_rates, sgd_options
from graphml.federated.privacy.attacks import gradient_of_update
from graphml.federated.seeds import derived_seed
from graphml.federated.setup import Setup
from graphml.federated.simulation import simulate
from graphml.federated.strategy import Replies, Strategy
from graphml.federated.uplink import Uplink, UplinkStage
from graphml.federated.weights import Weights, difference
from graphml.tasks import NodeClassificationTask


@dataclass(frozen=True)
class Exposure:
    """A trained federation of nodes with one global model, as an audit exposes it.

    Attributes:
        setup: The federation, with its defence, untrained.
        weights: Global weights after training.

    Raises:
        ValueError: If there is no global model of nodes that is evaluated on the whole graph.
    """

    setup: Setup
    weights: Weights

    def __post_init__(self) -> None:
        if not isinstance(self.setup.task, NodeClassificationTask):
            got = type(self.setup.task).__name__
            raise ValueError(f"model: expected a NodeClassificationTask, which attacks are written for, got {got}")
        if self.setup.server is None or self.setup.strategy.personalised:
            raise ValueError(
                "strategy, protocol: expected one global model that is evaluated on the whole graph, got clients with "
                "models of their own"
            )

    @property
    def task(self) -> NodeClassificationTask:
        """The task that was trained."""
        return self.setup.task  # type: ignore[return-value]

    @property
    def graph(self) -> Data:
        """The graph without cuts that the trained model is queried on, with labels and masks."""
        return graph_of_server(self.setup)

    def updates(self, graphs: Sequence[Data], seed: int, beside_clients: bool = False) -> list[Weights]:
        """What an honest-but-curious server sees when clients with these graphs take part in the first round.

        They train as all clients do, and their answers pass through the defence. Where the server sees single answers
        these are they; where it sees nothing but a sum (secure aggregation), that is what stands for each of them.

        Args:
            graphs: A graph for each.
            seed: Seed of the round.
            beside_clients: Whether the federation's own clients take part as well.

        Returns:
            For each of the graphs how the weights changed, by name.
        """
        setup = self.setup
        strategy = Watched(copy.deepcopy(setup.strategy))
        data = [NodeData(graph) for graph in graphs]
        data += [client.data for client in setup.clients] if beside_clients else []  # type: ignore[misc]
        initial, make = setup.clients[0].initial, strategy.client
        clients = [make(k, setup.task, own, setup.local, None, seed, initial) for k, own in enumerate(data)]
        simulate(strategy, clients, 1, SequentialEngine(), server=setup.server, seed=seed, progress=False)
        seen = {number: difference(reply.arrays, initial) for number, reply in strategy.seen.items()}
        return [seen[number] if len(seen) > 1 else next(iter(seen.values())) for number in range(len(graphs))]

    def gradients(self, graphs: Sequence[Data], seed: int, beside_clients: bool = False) -> list[Weights]:
        """The gradients that the server concludes from these updates.

        Args:
            graphs: A graph for each client.
            seed: Seed of the round.
            beside_clients: Whether the federation's own clients take part as well.

        Raises:
            ValueError: If clients do not train by SGD without momentum.
        """
        task, local, before = self.setup.task, self.setup.local, self.setup.clients[0].initial
        rates, options = learning_rates(local, task), sgd_options(local, task)
        rate, decay = max(rates.values()), max(group["weight_decay"] for group in options.values())
        return [
            gradient_of_update(
                before, before | {name: before[name] + change for name, change in update.items()}, rate, rates,
                local.epochs, decay,
            )
            for update in self.updates(graphs, seed, beside_clients)
        ]  # fmt: skip


class Watched(Uplink):
    """An algorithm with its defence whose server keeps what it sees, and stops there.

    It opens each answer. Where a stage hides single answers, it sees what that stage combines them to.

    Args:
        strategy: The algorithm; all clients take part in its round.

    Attributes:
        seen: What the server has seen of the last round.
    """

    def __init__(self, strategy: Strategy) -> None:
        inner, stages = (strategy.inner, strategy.stages) if isinstance(strategy, Uplink) else (strategy, [])
        super().__init__(inner, stages or [UplinkStage()])
        self.seen: Replies = {}

    def sample(self, round: int, clients: Sequence[int], seed: int) -> list[int]:
        """All clients.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
            seed: Seed of the run.
        """
        return list(clients)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Keep what the server sees.

        Args:
            round: Number of the round.
            replies: Sealed answers.
        """
        if round < 1:
            return super().aggregate_fit(round, replies)
        for stage, expected in self._undone(round):
            replies = {number: stage.open(reply, expected) for number, reply in replies.items()}
            replies = stage.combine(replies, self.state) if stage.hides else replies
        self.seen = replies
        return None


def graph_of_server(setup: Setup) -> Data:
    """The whole graph of a federation of nodes.

    Args:
        setup: The federation.

    Raises:
        ValueError: If its server has none.
    """
    data = None if setup.server is None else setup.server.data
    if not isinstance(data, NodeData):
        raise ValueError(f"data: expected a federation of a graph's nodes, got {type(data).__name__}")
    return data.data


def generator_of(*key: int) -> torch.Generator:
    """A generator for one purpose of an audit.

    Args:
        *key: Seed and number of the purpose.
    """
    return torch.Generator().manual_seed(derived_seed(*key))
