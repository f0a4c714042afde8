"""FedSage+: neighbours in other clients are generated, once, before training."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import contains_self_loops

from graphml.data.transforms import SymmetricNormalization
from graphml.federated.algorithms.fedavg import FedAvg
from graphml.federated.algorithms.mending import MendingClient, with_extra_nodes
from graphml.federated.faults import not_finite
from graphml.federated.message import Message, Scalar, taken_from, under
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.strategy import Replies
from graphml.federated.weights import Weights, weights_of
from graphml.models.neighbor_generator import ImpairedGraph, NeighborGenerator, hide_nodes
from graphml.ops import as_dense


class FedSagePlusClient(MendingClient):
    """Trains a generator of neighbours, judges those of others, and mends its graph with what its own generates."""

    def prepare(self, request: Message) -> Message:
        """One step: ``train`` the generator alone, ``judge`` those of others, or ``improve`` it by their judgement.

        Args:
            request: ``config`` holds the ``step``, whether it is the ``last``, and the generator's options.
        """
        key = derived_seed(self.seed, int(request.config["round"]), self.number)
        with forked_random_state(key) as noise:
            if request.config["step"] == "judge":
                return Message(self._judge(request, noise), {"num_examples": self.data.num_examples("train")})
            made, optimizer = self._generator(request)
            graph = self._impaired(float(request.config["hidden_fraction"]))
            size, epochs = int(request.config["num_generated"]), int(request.config["generator_epochs"])
            for _ in range(epochs if request.config["step"] == "train" else 1):
                optimizer.zero_grad()
                made.loss(graph, size, noise).backward()
                for name, slope in request.arrays.items():
                    _add_to_gradient(made.decoder.get_parameter(name), slope, float(request.config["cross_weight"]))
                optimizer.step()
            return self._finish(request, made, optimizer, graph, noise)

    def _generator(self, request: Message) -> tuple[NeighborGenerator, torch.optim.Optimizer]:
        """The generator as it was left, or a new one."""
        made = NeighborGenerator(self.graph.num_features, int(request.config["hidden_channels"]))
        optimizer = torch.optim.Adam(made.parameters(), lr=float(request.config["generator_lr"]))
        if request.config["step"] == "improve":
            made.load_state_dict(taken_from("generator", self.memory))
            _restore(optimizer, taken_from("optimizer", self.memory))
        return made, optimizer

    def _impaired(self, fraction: float) -> ImpairedGraph:
        """The own graph without the nodes that are hidden, the same ones each time."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.number, -4))
        return hide_nodes(as_dense(self.graph.x), self.graph.edge_index.as_tensor(), fraction, generator)

    def _judge(self, request: Message, noise: torch.Generator) -> Weights:
        """Gradients of other clients' decoders: what they generate should be near to nodes here."""
        size, targets = int(request.config["num_generated"]), as_dense(self.graph.x)
        slopes: Weights = {}
        for author in sorted({name.split("/")[0] for name in request.arrays}, key=int):
            sent = taken_from(author, request.arrays)
            made = NeighborGenerator(targets.size(1), int(request.config["hidden_channels"]))
            made.decoder.load_state_dict(taken_from("decoder", sent))
            names, parameters = zip(*made.decoder.named_parameters(), strict=True)
            loss = made.feature_loss(sent["embedding"], sent["missing"].clamp(max=size), targets, noise)
            found = torch.autograd.grad(loss, parameters)
            slopes |= under(author, dict(zip(names, found, strict=True)))
        return slopes

    def _finish(
        self,
        request: Message,
        made: NeighborGenerator,
        optimizer: torch.optim.Optimizer,
        graph: ImpairedGraph,
        noise: torch.Generator,
    ) -> Message:
        """Keep the generator and show its decoder; after the last step keep only what it generates."""
        if request.config["last"]:
            own, size = self.graph, int(request.config["num_generated"])
            x, owner = made.generate(as_dense(own.x), own.edge_index.as_tensor(), size, noise)
            self.keep({"x": x, "owner": owner})
            return self.acknowledge()
        self.memory = under("generator", weights_of(made)) | under("optimizer", _tensors(optimizer))
        with torch.no_grad():
            z, _ = made(graph.x, graph.edge_index)
        shown = {"embedding": z[graph.rows], "missing": graph.missing[graph.rows]}
        arrays = shown | under("decoder", weights_of(made.decoder))
        return Message(arrays, {"num_examples": self.data.num_examples("train")})

    def mended(self, parts: Weights) -> Data:
        """The own graph with the generated nodes, each joined to the node it was generated for.

        Args:
            parts: Features ``x`` [m, F] of the generated nodes, and their ``owner`` [m].
        """
        graph, owner = self.graph, parts["owner"]
        edges = graph.edge_index.as_tensor()
        new = int(graph.num_nodes or 0) + torch.arange(len(owner))
        more = [torch.stack([owner, new]), torch.stack([new, owner])]
        more += [new.expand(2, -1)] if contains_self_loops(edges) else []
        x = torch.cat([as_dense(graph.x), parts["x"]])
        out: Data = SymmetricNormalization()(with_extra_nodes(graph, x, torch.cat([edges, *more], dim=1)))
        return out


class FedSagePlus(FedAvg):
    r"""FedSage+ (Zhang, Yang, Li, Sun, Yiu, NeurIPS 2021, arXiv 2106.13430): FedAvg on graphs that are mended.

    Each client hides some of its nodes and trains a `NeighborGenerator` to say how many neighbours the others have
    lost, and with which features. With :math:`\tilde{\mathbf{x}}_i^p` the neighbours that client :math:`k` generates
    for its node :math:`i`, and :math:`\mathcal{H}_i` the hidden neighbours of this node, the loss of the features is

    .. math::
        \frac{1}{r} \sum_{i=1}^{r} \sum_p \Big( \min_{u \in \mathcal{H}_i} \|\tilde{\mathbf{x}}_i^p - \mathbf{x}_u\|^2
        + \frac{\alpha}{K - 1} \sum_{l \ne k} \min_{u \in \mathcal{V}_l} \|\tilde{\mathbf{x}}_i^p - \mathbf{x}_u\|^2
        \Big)

    whose second term other clients compute: as in FederatedScope-GNN (Wang et al., KDD 2022) a client sends its
    decoder, the embeddings of nodes that lost neighbours and the numbers of these; the others answer with the
    gradients of the decoder. After this each client adds the neighbours that are generated for its whole graph, and
    the federation averages a node classifier: GraphSAGE in the paper, any here.

    What is simpler than in the paper: the classifier is not trained along with the generator (no third term of the
    loss); an exchange is one step of Adam; the number of missing neighbours is linear in the embedding, the decoder has
    one hidden layer, and the neighbours of a node share it and differ by their noise; squared distances are divided by
    the number of features. The hidden nodes are drawn from all nodes, as in the paper, where FederatedScope-GNN takes
    validation nodes.

    No features are sent, but embeddings, counts and gradients say something about them. Each exchange sends the
    decoders of all other clients to each client, :math:`K (K - 1)` of them.

    Args:
        generator_epochs: Steps that each generator trains alone, at least 1.
        generator_rounds: Exchanges between the clients, from 0 to 400; each is two rounds of preparation.
        hidden_fraction: Share of its nodes that a client hides, in (0, 1).
        num_generated: Most neighbours that are generated for a node, at least 1.
        hidden_channels: Width of the generator, at least 1.
        generator_lr: Learning rate of the generator, positive.
        cross_weight: Weight :math:`\alpha` of the other clients' judgement, not negative.
        client_fraction: Share of the clients that are drawn in each round of training, in (0, 1].

    Raises:
        ValueError: If a value is out of range.
    """

    client = FedSagePlusClient

    def __init__(
        self,
        generator_epochs: int = 20,
        generator_rounds: int = 10,
        hidden_fraction: float = 0.5,
        num_generated: int = 5,
        hidden_channels: int = 64,
        generator_lr: float = 0.01,
        cross_weight: float = 1.0,
        client_fraction: float = 1.0,
    ) -> None:
        super().__init__(client_fraction)
        sizes: dict[str, Scalar] = {
            "generator_epochs": generator_epochs,
            "num_generated": num_generated,
            "hidden_channels": hidden_channels,
        }
        for name, value in sizes.items():
            if int(value) < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if not 0 <= generator_rounds <= 400:
            raise ValueError(f"generator_rounds: expected 0 to 400, got {generator_rounds}")
        if not 0 < hidden_fraction < 1:
            raise ValueError(f"hidden_fraction: expected a share in (0, 1), got {hidden_fraction}")
        if not generator_lr > 0:
            raise ValueError(f"generator_lr: expected a rate above 0, got {generator_lr}")
        if not cross_weight >= 0:
            raise ValueError(f"cross_weight: expected at least 0, got {cross_weight}")
        self.preparation = 1 + 2 * generator_rounds
        rates: dict[str, Scalar] = {
            "hidden_fraction": hidden_fraction,
            "generator_lr": generator_lr,
            "cross_weight": cross_weight,
        }
        self.options = sizes | rates

    def configure_fit(self, round: int, clients: Sequence[int]) -> dict[int, Message]:
        """Ask for a generator, hand generators round, hand back what was said of them, or start a round of FedAvg.

        Args:
            round: Number of the round.
            clients: Numbers of the clients.
        """
        if round > 0:
            return super().configure_fit(round, clients)
        step = self._step(round)
        config = self.options | {"round": round, "step": step, "last": round == 0}
        requests = {}
        for client in clients:
            own = taken_from(str(client), self.memory)
            others = {name: array for name, array in self.memory.items() if name.split("/")[0] != str(client)}
            requests[client] = Message(others if step == "judge" else own, config=config)
        return requests

    def aggregate_fit(self, round: int, replies: Replies) -> None:
        """Remember the generators for the next step, or the mean gradient of each.

        Args:
            round: Number of the round.
            replies: Answers that passed the checks.
        """
        if round > 0:
            super().aggregate_fit(round, replies)
        elif round == 0:
            self.memory = {}
        elif self._step(round) == "judge":
            self.memory = _means([reply.arrays for reply in replies.values()])
        else:
            shown = (under(str(client), reply.arrays) for client, reply in replies.items())
            self.memory = {name: array for part in shown for name, array in part.items()}

    def check(self, round: int, reply: Message) -> str | None:
        """Generators must have the parts that others need, and gradients their decoders' shapes.

        Args:
            round: Number of the round.
            reply: The answer.
        """
        if round > 0:
            return super().check(round, reply)
        if self._step(round) == "judge":
            return not_finite(reply) or _wrong_gradients(reply.arrays, self.memory)
        return not_finite(reply) or (_wrong_generator(reply.arrays, self.options) if round < 0 else None)

    def _step(self, round: int) -> str:
        if round == 1 - self.preparation:
            return "train"
        return "judge" if round % 2 else "improve"


def _add_to_gradient(parameter: Tensor, slope: Tensor, weight: float) -> None:
    if parameter.grad is not None:
        parameter.grad.add_(slope, alpha=weight)


def _tensors(optimizer: torch.optim.Optimizer) -> Weights:
    """An optimizer's state by ``number/name``."""
    states = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value.clone() for number, state in states.items() for name, value in state.items()}


def _restore(optimizer: torch.optim.Optimizer, tensors: Weights) -> None:
    """Give an optimizer the state that `_tensors` took."""
    states: dict[int, Weights] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        states.setdefault(int(number), {})[name] = value.clone()
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})


def _means(slopes: Sequence[Weights]) -> Weights:
    """Mean of each tensor over those of the clients that have it: all but the author."""
    names = sorted({name for part in slopes for name in part})
    return {name: torch.stack([part[name] for part in slopes if name in part]).mean(0) for name in names}


def _wrong_gradients(slopes: Weights, shown: Weights) -> str | None:
    for name, slope in slopes.items():
        author, _, parameter = name.partition("/")
        like = shown.get(f"{author}/decoder/{parameter}")
        if like is None or slope.shape != like.shape:
            return f"sent a gradient {name} of shape {list(slope.shape)}, which is none of the decoders'"
    return None


def _wrong_generator(arrays: Weights, options: dict[str, Scalar]) -> str | None:
    decoder = NeighborGenerator(1, int(options["hidden_channels"])).decoder.state_dict()
    names = {"embedding", "missing", *under("decoder", decoder)}
    if arrays.keys() != names:
        return f"sent {', '.join(sorted(arrays)) or 'nothing'}, expected {', '.join(sorted(names))}"
    wanted = [len(arrays["missing"]), options["hidden_channels"]]
    if list(arrays["embedding"].shape) != wanted:
        return f"sent embedding of shape {list(arrays['embedding'].shape)}, expected {wanted}"
    return None
