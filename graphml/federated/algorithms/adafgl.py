"""AdaFGL: FedAvg first, and then each client's own propagation on a graph that the global model mended."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import LabelPropagation

from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.client import Client, mean_loss
from graphml.federated.client_data import NodeData
from graphml.federated.message import Message, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, weights_of
from graphml.models.adaptive_propagation import AdaptiveInputs, AdaptivePropagation, adaptive_inputs
from graphml.tasks import NodeClassificationTask

STEPS, KEPT = 10, 0.5
"""Steps of the label propagation, and how much of its neighbours' labels a node takes in each."""


class AdaFGLClient(Client):
    """Trains the global model, and once that is ready a model of its own, which is remembered as ``personal/...``.

    Args:
        *args: As for `Client`.
        alpha: Weight of the edges in the propagation.
        num_hops: Number of propagations.
        **kwargs: As for `Client`, and further options of `AdaptivePropagation`.

    Raises:
        TypeError: If the client has no graph, or the task is another than node classification.
    """

    def __init__(
        self,
        *args: Any,
        alpha: float = 0.5,
        num_hops: int = 3,
        beta: float = 0.2,
        hidden_channels: int = 64,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.data, NodeData) or not isinstance(self.evaluation_data, NodeData):
            raise TypeError(f"data: expected NodeData, a graph for each client, got {type(self.data).__name__}")
        if not isinstance(self.task, NodeClassificationTask):
            raise TypeError(f"task: expected NodeClassificationTask, got {type(self.task).__name__}")
        self.graph, self.evaluation_graph = self.data.data, self.evaluation_data.data
        self.alpha, self.num_hops = alpha, num_hops
        self.options = {"num_hops": num_hops, "beta": beta, "hidden_channels": hidden_channels, "dropout": dropout}

    def fit(self, request: Message) -> Message:
        """Train the global model in a ``federated`` step, the own one in a ``personal`` step.

        Args:
            request: The server's message; ``config`` holds the ``step``. In the first personal step the arrays are the
                global weights.

        Returns:
            The new global weights, or no arrays.
        """
        if request.config["step"] == "federated":
            return super().fit(request)
        if request.arrays:
            self.memory = under("extractor", self.start(request)) | {"homophily": self._homophily()}
        with forked_random_state(derived_seed(self.seed, int(request.config["round"]), self.number)):
            model, metrics = self._train_own(self.inputs(self.graph))
        self.memory = self.memory | under("personal", weights_of(model))
        return Message(metrics={"num_examples": self.data.num_examples("train"), **metrics})

    def _train_own(self, inputs: AdaptiveInputs) -> tuple[AdaptivePropagation, dict[str, float]]:
        """The own model after local training, with the optimizer of `LocalTraining`, or else Adam as the task's."""
        y, mask = self.graph.y, self.graph.train_mask
        model = self.personal(inputs)
        adam = functools.partial(torch.optim.Adam, lr=self.task.lr, weight_decay=self.task.weight_decay)
        optimizer = (self.local.optimizer or adam)(model.parameters())
        model.train()
        losses = []
        for _ in range(self.local.epochs if bool(mask.any()) else 0):
            optimizer.zero_grad()
            loss = model.loss(inputs, y, mask)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return model, mean_loss(losses)

    def personal(self, inputs: AdaptiveInputs) -> AdaptivePropagation:
        """The client's own model, in evaluation mode.

        Args:
            inputs: Inputs, which tell its numbers of features and classes.
        """
        with forked_random_state(derived_seed(self.seed, 0, self.number, 1)):
            model = AdaptivePropagation(inputs.x.size(1), inputs.probabilities.size(1), **self.options)  # type: ignore[arg-type]
        weights = taken_from("personal", self.memory)
        if weights:
            model.load_state_dict(weights)
        return model.eval()

    @torch.no_grad()
    def inputs(self, graph: Data) -> AdaptiveInputs:
        """What the own model works on, by the remembered global model's probabilities.

        Args:
            graph: The client's graph, or that which it is evaluated on.
        """
        self.task.load_state_dict(taken_from("extractor", self.memory))
        self.task.eval()
        x = graph.x if graph.x.layout == torch.strided else graph.x.to_dense()
        probabilities = self.task(graph).softmax(dim=1)
        return adaptive_inputs(x, graph.edge_index.as_tensor(), probabilities, self.alpha, self.num_hops)

    def _homophily(self) -> Tensor:
        graph = self.graph
        generator = torch.Generator().manual_seed(derived_seed(self.seed, 0, self.number, 2))
        return torch.tensor(homophily_confidence(graph.edge_index.as_tensor(), graph.y, graph.train_mask, generator))

    @torch.no_grad()
    def evaluate(self, request: Message) -> Message:
        """Count the predictions of the own model; of the global one as long as there is no own one.

        Args:
            request: The server's message.
        """
        if "homophily" not in self.memory:
            return super().evaluate(request)
        inputs = self.inputs(self.evaluation_graph)
        probabilities = self.personal(inputs).predict(inputs, float(self.memory["homophily"]))
        return self.counted(_Known(probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()))


class AdaFGL(FedAvg):
    r"""AdaFGL (Li, Wu, Zhang, Sun, Li, Wang, ICDE 2024, arXiv 2401.11750): decoupled personal propagation.

    In the first ``federated_rounds`` it is `FedAvg`. After them the global model is sent to each client once, and in
    all further rounds the clients train alone, an `AdaptivePropagation` each; nothing but metrics is sent. The global
    model's probabilities mend the client's graph, and the `homophily_confidence` of its training nodes weighs the
    predictions for homophilous and heterophilous graphs.

    Rounds of a run must therefore be more than ``federated_rounds``: with :math:`E` epochs of `LocalTraining`, the own
    models train for :math:`E` steps in each round that is left, with a fresh optimizer as in every round.

    What is simpler than in the paper is told at `AdaptivePropagation`; besides, label propagation starts from zeros
    and not from equal shares where no label is known. A client that is not drawn after the first step has the global
    model. A graph of n nodes takes several matrices of n x n in training, and in evaluation, so that clients should be
    evaluated on their own subgraphs, as by the protocol ``openfgl``.

    Args:
        federated_rounds: Rounds of FedAvg, at least 1.
        alpha: Weight of the edges against nodes that are predicted alike, in [0, 1].
        beta: Weight of what the global model predicts alike in the learned messages, in [0, 1].
        num_hops: Number of propagations, at least 0.
        hidden_channels: Width of the clients' own models, at least 1.
        dropout: Their dropout probability, in [0, 1).
        client_fraction: Share of the clients that are drawn in each round, in (0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    client: Callable[..., Client] = AdaFGLClient
    personalised = True

    def __init__(
        self,
        federated_rounds: int = 50,
        alpha: float = 0.5,
        beta: float = 0.2,
        num_hops: int = 3,
        hidden_channels: int = 64,
        dropout: float = 0.5,
        client_fraction: float = 1.0,
    ) -> None:
        super().__init__(client_fraction)
        sizes = {
            "federated_rounds": (federated_rounds, 1),
            "num_hops": (num_hops, 0),
            "hidden_channels": (hidden_channels, 1),
        }
        for name, (value, least) in sizes.items():
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        for name, share in {"alpha": alpha, "beta": beta}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name}: expected a share in [0, 1], got {share}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a probability in [0, 1), got {dropout}")
        self.federated_rounds = federated_rounds
        options = {"alpha": alpha, "beta": beta, "num_hops": num_hops, "hidden_channels": hidden_channels}
        self.client = functools.partial(AdaFGLClient, dropout=dropout, **options)  # type: ignore[arg-type]

    def initialize(self, state: Weights, num_clients: int, trained: Collection[str] | None = None) -> None:
        """Begin; no client has the final global model.

        Args:
            state: Initial weights.
            num_clients: Number of clients K.
            trained: Names of the parameters.
        """
        super().initialize(state, num_clients, trained)
        self.memory = {"told": torch.zeros(num_clients, dtype=torch.bool)}

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The global weights; none to a client that has the final ones.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        if round <= self.federated_rounds:
            return dict.fromkeys(clients, self.request(round, step="federated"))
        whole, bare = self.request(round, step="personal"), Message(config={"round": round, "step": "personal"})
        return {client: bare if self.memory["told"][client] else whole for client in clients}

    def configure_evaluate(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """The same as for training.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        return self.configure_fit(round, clients)

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Average; after the last round of FedAvg remember who has its result.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        if round <= self.federated_rounds:
            super().aggregate_fit(round, replies)
            return
        told = self.memory["told"].clone()
        told[list(replies)] = True
        self.memory = {"told": told}

    def expected(self, round: int) -> Weights:
        """The global weights, and none after the last round of FedAvg.

        Args:
            round: Number of the round.
        """
        return self.state if round <= self.federated_rounds else {}


class _Known(nn.Module):
    """Stands in for a model whose logits are known."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, batch: Data) -> Tensor:
        return self.logits


def homophily_confidence(edge_index: Tensor, y: Tensor, train_mask: Tensor, generator: torch.Generator) -> float:
    """Share of half of the training nodes whose labels follow, by label propagation, from those of the other half.

    Args:
        edge_index: Symmetric edges ``[2, E]``.
        y: Labels ``[N]``.
        train_mask: Training nodes, bool ``[N]``.
        generator: Where the halves come from.

    Returns:
        A score in [0, 1]; nodes that no label reaches count as wrong. 0.5 where there are fewer than two nodes.
    """
    train = train_mask.nonzero().squeeze(1)
    known, held = train[torch.randperm(len(train), generator=generator)].tensor_split([len(train) // 2])
    if len(known) == 0:
        return 0.5
    labels = F.one_hot(y.clamp(min=0)).to(torch.float64)
    scores = LabelPropagation(STEPS, KEPT)(labels, edge_index, mask=known)
    score, label = scores[held].max(dim=1)
    return float(((score > 0) & (label == y[held])).double().mean())
