"""Attacks by the server that reconstruct a client's graph."""

import abc

import torch
from torch_geometric.data import Data

from graphml.federated.audit.attack import Attack
from graphml.federated.audit.exposure import Exposure, generator_of
from graphml.federated.privacy.attacks import (
    Leakage,
    Observation,
    Reconstruction,
    connected_nodes,
    deep_leakage,
    dense_adjacency,
    dense_forward,
    invert_gradient,
    reconstruction_leakage,
    small_client,
    used_features,
)
from graphml.ops import as_dense


class GradientInversion(Attack):
    """Features and edges of one more client, small enough to be reconstructed, which takes part in the first round.

    The server knows its labels and the number of its nodes. All columns of the first layer's gradient that are zero
    are known to be of features that no node has. ``feature_recovery`` is 1 less the mean square error in units of that
    of the best guess without the attack, the mean of all other nodes' features: 1 is all, 0 or less nothing. Under
    secure aggregation the clients of the federation are the crowd
    that it hides in.

    Args:
        num_nodes: Nodes of that client.
        steps: Steps of the search.

    Raises:
        ValueError: If a number is out of range.
    """

    name: str
    """What the attack is called in the report."""

    def __init__(self, num_nodes: int = 8, steps: int = 200) -> None:
        if num_nodes < 2 or steps < 1:
            raise ValueError(f"num_nodes, steps: expected at least 2 and 1, got {num_nodes} and {steps}")
        self.num_nodes, self.steps = num_nodes, steps

    @abc.abstractmethod
    def search(self, observation: Observation, generator: torch.Generator) -> Reconstruction:
        """Search for the graph.

        Args:
            observation: What the server has.
            generator: Where the first guess comes from.
        """

    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: A federation.
        """
        graph, seed = exposure.graph, exposure.setup.seed
        victim = small_client(graph, connected_nodes(graph, self.num_nodes, generator_of(seed, 3)))
        gradient = exposure.gradients([victim], seed, beside_clients=True)[0]
        found = self.search(self._observation(exposure, victim.y, gradient, victim.x), generator_of(seed, 4))
        adjacency = dense_adjacency(victim.edge_index, self.num_nodes)
        leakage = reconstruction_leakage(self.name, found, victim.x, adjacency, ordered=False)
        guess = float((victim.x - mean_features(graph, victim.n_id)).square().mean())
        recovery = 1 - leakage.metrics["feature_mse"] / guess
        return [Leakage(leakage.attack, leakage.metrics | {"feature_recovery": recovery})]

    def _observation(
        self, exposure: Exposure, labels: torch.Tensor, gradient: dict[str, torch.Tensor], x: torch.Tensor
    ) -> Observation:
        row, col = exposure.graph.edge_index
        first = next(name for name, value in gradient.items() if value.dim() == 2 and value.size(1) == x.size(1))
        return Observation(
            forward=dense_forward(exposure.task.encoder, "encoder.", bool((row == col).any())),
            weights=exposure.setup.clients[0].initial,
            gradient=gradient,
            labels=labels,
            num_nodes=self.num_nodes,
            num_features=x.size(1),
            used=used_features(gradient[first]),
            bounds=(float(x.min()), float(x.max())),
        )


class DeepLeakage(GradientInversion):
    """Gradients matched by L-BFGS (DLG: Zhu et al., NeurIPS 2019).

    Args:
        num_nodes: Nodes of the client.
        steps: Steps of L-BFGS.
    """

    name = "deep_leakage"

    def search(self, observation: Observation, generator: torch.Generator) -> Reconstruction:
        """Search for the graph.

        Args:
            observation: What the server has.
            generator: Where the first guess comes from.
        """
        return deep_leakage(observation, generator, self.steps)


class InvertingGradients(GradientInversion):
    """Directions of gradients matched by signed Adam, with a prior for graphs (Geiping et al., NeurIPS 2020).

    Args:
        num_nodes: Nodes of the client.
        steps: Steps of Adam.
    """

    name = "inverting_gradients"

    def search(self, observation: Observation, generator: torch.Generator) -> Reconstruction:
        """Search for the graph.

        Args:
            observation: What the server has.
            generator: Where the first guess comes from.
        """
        return invert_gradient(observation, generator, self.steps)


def mean_features(graph: Data, but: torch.Tensor) -> torch.Tensor:
    """Mean features of a graph's nodes.

    Args:
        graph: The graph, with dense or sparse features.
        but: Numbers of nodes that are left out.
    """
    x = as_dense(graph.x)
    mean: torch.Tensor = x[torch.ones(len(x), dtype=torch.bool).index_fill(0, but, False)].mean(dim=0)
    return mean
