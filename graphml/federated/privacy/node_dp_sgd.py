"""DP-SGD at node level: nobody can tell whether a node, with its edges, was in the graph."""

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphml.federated.client_data import NodeData
from graphml.federated.engines.block_graph import block_graph
from graphml.federated.engines.layout import Layout
from graphml.federated.engines.stacked import set_weights, stack, unstackable
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.balls import balls, bounded_degree, receptive_field
from graphml.federated.privacy.dp_sgd import DPSGD, NoisySteps
from graphml.federated.seeds import derived_seed
from graphml.tasks.node_mean import NodeMeanTask

_STACKED = 2**23  # weights that are stacked at a time: 32 MiB, and as much for their gradients


class NodeSteps(NoisySteps):
    """Takes the gradient of each training node from the ball around it, all balls of a chunk at once.

    A chunk's balls lie side by side as clients do in the vectorised engine, each with a copy of the weights: the
    gradient to the copies is that of each node. The bounded graph is drawn once, from the seed of the run and the
    number of the client.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the client's data are no graph of nodes, or the model's layers cannot be stacked.
    """

    _chunks: list[tuple[Layout, Data]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self.data) is not NodeData or not isinstance(self.task, NodeMeanTask):
            got = f"{type(self.task).__name__} on {type(self.data).__name__}"
            raise ValueError(f"data: expected nodes to classify, with a loss for each, got {got}")
        reason = unstackable(self.task)
        if reason is not None:
            raise ValueError(f"model: expected layers that can be stacked, but {reason}")

    def clipped_sum(self, parameters: list[nn.Parameter], generator: torch.Generator) -> tuple[list[Tensor], float]:
        """Sum over all training nodes.

        Args:
            parameters: What is trained.
            generator: Where losses draw from.
        """
        sums = [torch.zeros_like(parameter) for parameter in parameters]
        state = dict(self.task.state_dict())
        if self._chunks is None:
            self._chunks = self._made(sum(parameter.numel() for parameter in parameters))
        for layout, block in self._chunks:
            task: Any = stack(self.task, layout)
            set_weights(task, [state] * len(layout.sizes))
            task.node_losses(task.network, block, generator)["loss"].sum().backward()
            stacked = [parameter.grad for parameter in task.parameters() if parameter.requires_grad]
            add_all_clipped(sums, stacked, self.stage.clip)
        return sums, self.data.num_examples("train")

    def _made(self, num_weights: int) -> list[tuple[Layout, Data]]:
        """Chunks of balls, the largest balls first."""
        stage, graph = self.stage, self.data.data  # type: ignore[attr-defined]  # checked in the constructor
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.number, -5))  # -5: no client's number
        edges = bounded_degree(graph.edge_index, graph.num_nodes, stage.max_degree, generator)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            made = balls(graph, edges, graph.train_mask.nonzero().flatten(), stage.hops)
        made.sort(key=lambda ball: -int(ball.num_nodes or 0))
        size = max(1, _STACKED // num_weights)
        out = []
        for first in range(0, len(made), size):
            chunk = made[first : first + size]
            layout = Layout.of([int(ball.num_nodes or 0) for ball in chunk])
            out.append((layout, block_graph(chunk, layout)))
        return out


class NodeDPSGD(DPSGD):
    r"""`DPSGD` whose examples are the training nodes of a client's graph, each with the ball of h hops around it.

    A graph network's loss at a node reads the node's neighbours, so that a node that goes changes the gradients of
    others, too. The graph's degrees are bounded by d first, by random edges; then a node is in at most
    :math:`\sum_{l=0}^{h} d^l` balls, each clipped gradient changes by at most 2C, and

    .. math::
        S = 2 C \sum_{l=0}^{h} d^l

    (Daigavane et al., 2021, arXiv 2111.15521, lemma 1): **2 (d + 1) C for one layer of message passing**, and about d
    times as much for each layer more, which soon drowns all signal. Neighbours are graphs of bounded degree with **one
    node more**, with its features, label and edges.

    All training nodes take part in every step. Drawing some would amplify privacy, but less than for independent
    examples, since a node takes part through each of its neighbours; the accountant counts none of it, an upper bound.

    Limits: the guarantee is about the bounded graph. Drawing that from a graph of high degrees is itself no private
    step, for a node that goes may give its neighbours room for other edges. Edge weights are normalised within each
    ball; with as many hops as the model has layers, weights at its rim differ from those of the whole graph.

    Args:
        clip: C, above 0: largest norm of a node's gradient.
        noise_multiplier: Sigma: the noise's standard deviation is sigma S in the sum.
        max_degree: d, at least 1.
        hops: h, at least 0: number of layers of message passing of the model. A model with more sees no farther.
        steps: Steps in a round, at least 1; ``local.epochs`` must be 1.
        delta: The delta for which a run names its epsilon, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """

    protects: ClassVar[str] = "node"
    mixins = (NodeSteps,)

    def __init__(
        self,
        clip: float,
        noise_multiplier: float,
        max_degree: int = 5,
        hops: int = 1,
        steps: int = 1,
        delta: float = 1e-5,
    ) -> None:
        super().__init__(clip, noise_multiplier, steps, delta)
        if max_degree < 1 or hops < 0:
            raise ValueError(f"max_degree and hops: expected at least 1 and at least 0, got {max_degree} and {hops}")
        self.max_degree, self.hops = max_degree, hops

    @property
    def sensitivity(self) -> float:
        """2C times the largest number of balls that hold a node."""
        return 2 * self.clip * receptive_field(self.max_degree, self.hops)

    def epsilon(self, rounds: int, sampling: float, delta: float) -> float:
        """Epsilon of a node, towards all but its own client.

        Args:
            rounds: Number of rounds.
            sampling: Unused: the server knows whom it has drawn.
            delta: In (0, 1).
        """
        return rdp_epsilon(self.noise_multiplier, 1.0, rounds * self.steps, delta)


def add_all_clipped(sums: list[Tensor], gradients: list[Tensor | None], clip: float) -> None:
    """Add the gradients of many examples, each shortened to a largest norm, to a sum.

    Args:
        sums: A tensor for each parameter, changed in place.
        gradients: ``[K, ...]`` for each parameter; None where no loss depends on it.
        clip: Largest L2 norm of all of an example's together.

    Raises:
        FloatingPointError: If a gradient is not finite.
    """
    squares = [value.flatten(1).square().sum(1) for value in gradients if value is not None]
    norms = torch.stack(squares).sum(0).sqrt()
    if not bool(norms.isfinite().all()):
        raise FloatingPointError("the norm of a gradient is not finite: lower the learning rate of the clients")
    factors = (clip / norms).clamp(max=1)  # 1 for a gradient of zeros
    for total, value in zip(sums, gradients, strict=True):
        if value is not None:
            total.add_(torch.einsum("k,k...->...", factors, value))
