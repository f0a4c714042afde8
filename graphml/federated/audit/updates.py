"""Attacks by the server, on what clients send."""

import torch
from torch_geometric.data import Data

from graphml.federated.audit.attack import Attack
from graphml.federated.audit.exposure import Exposure, generator_of
from graphml.federated.privacy.attacks import (
    Leakage,
    above_median,
    class_share,
    connected_nodes,
    property_inference,
    small_client,
)


class PropertyInference(Attack):
    """Whether a client has many nodes of a class, from its update (Melis et al., S&P 2019).

    The server knows part of the graph: it makes up clients of random pieces of it and learns from their updates, which
    pass through the same defence as those of the clients under attack.

    Args:
        label: The class.
        num_shadows: Number of clients that are made up.
        num_victims: Number of clients under attack.
        num_nodes: Nodes of each.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, label: int = 0, num_shadows: int = 60, num_victims: int = 40, num_nodes: int = 40) -> None:
        for name, value in (("num_shadows", num_shadows), ("num_victims", num_victims), ("num_nodes", num_nodes)):
            if value < 2:
                raise ValueError(f"{name}: expected at least 2, got {value}")
        self.label, self.num_shadows, self.num_victims = label, num_shadows, num_victims
        self.num_nodes = num_nodes

    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: A federation.
        """
        seed = exposure.setup.seed
        graphs = self._pieces(exposure.graph, generator_of(seed, 2))
        updates = exposure.updates(graphs, seed)
        shares = [class_share(graph, self.label) for graph in graphs]
        has = above_median(shares, shares[: self.num_shadows])
        cut = self.num_shadows
        return [property_inference(updates[:cut], has[:cut], updates[cut:], has[cut:])]

    def _pieces(self, graph: Data, generator: torch.Generator) -> list[Data]:
        count = self.num_shadows + self.num_victims
        return [small_client(graph, connected_nodes(graph, self.num_nodes, generator)) for _ in range(count)]
