"""Attacks by someone who queries the trained model."""

import torch
from torch import Tensor

from graphml.federated.audit.attack import Attack
from graphml.federated.audit.exposure import Exposure, generator_of
from graphml.federated.client import LocalTraining
from graphml.federated.client_data import NodeData
from graphml.federated.privacy.attacks import (
    Leakage,
    NodePairs,
    ShadowMembership,
    loss_threshold,
    posteriors,
    reference_posteriors,
    sample_pairs,
    steal_links,
    steal_links_knowing_some,
    steal_links_knowing_some_and_features,
    steal_links_with_features,
)

MOST_EPOCHS = 100
"""Of a shadow model's training; longer ones of the target change its answers little."""


class LinkStealing(Attack):
    """Which nodes of the graph are linked: attacks 0, 2, 3 and 6 of He et al. (USENIX Security 2021).

    Args:
        num_links: Links that are asked for, and as many pairs without one.
        known_share: Share of these pairs that attacks 3 and 6 learn from, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, num_links: int = 1000, known_share: float = 0.5) -> None:
        if num_links < 4:
            raise ValueError(f"num_links: expected at least 4, got {num_links}")
        if not 0 < known_share < 1:
            raise ValueError(f"known_share: expected a share in (0, 1), got {known_share}")
        self.num_links, self.known_share = num_links, known_share

    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: A federation.
        """
        graph, seed = exposure.graph, exposure.setup.seed
        pairs = sample_pairs(graph.edge_index, graph.num_nodes, generator_of(seed, 1), self.num_links)
        size = max(1, int(self.known_share * len(pairs.linked)))
        known = NodePairs(pairs.nodes[:, :size], pairs.linked[:size])
        asked = NodePairs(pairs.nodes[:, size:], pairs.linked[size:])
        answers = posteriors(exposure.task, exposure.weights, graph)
        reference = reference_posteriors(graph.x, graph.y, graph.train_mask, answers.size(1), seed)
        return [
            steal_links(answers, asked),
            steal_links_with_features(answers, reference, graph.x, asked),
            steal_links_knowing_some(answers, known, asked, seed),
            steal_links_knowing_some_and_features(answers, reference, graph.x, known, asked, seed),
        ]


class LossMembership(Attack):
    """Which nodes the model was trained on, by their loss (Yeom et al., CSF 2018)."""

    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: A federation.
        """
        graph = exposure.graph
        answers = posteriors(exposure.task, exposure.weights, graph)
        return [loss_threshold(answers, graph.y, graph.train_mask, graph.test_mask)]


class ShadowModels(Attack):
    """Which nodes the model was trained on, by models of the first client, which attacks all others' nodes.

    Shokri et al. (S&P 2017), for graphs as Olatunji et al. (TPS-ISA 2021).

    Args:
        num_shadows: Number of shadow models.
    """

    def __init__(self, num_shadows: int = 2) -> None:
        self.num_shadows = num_shadows

    def __call__(self, exposure: Exposure) -> list[Leakage]:
        """Attack.

        Args:
            exposure: A federation.
        """
        setup, graph = exposure.setup, exposure.graph
        first = setup.clients[0]
        assert_nodes(first.data)
        shadow = first.data.data  # type: ignore[attr-defined]
        foreign = torch.ones(graph.num_nodes, dtype=torch.bool).index_fill(0, shadow.n_id, False)
        epochs = min(MOST_EPOCHS, setup.rounds * setup.local.epochs)
        local = LocalTraining(epochs, setup.local.optimizer)
        attack = ShadowMembership(exposure.task, first.initial, local, self.num_shadows, setup.seed)
        answers: Tensor = posteriors(exposure.task, exposure.weights, graph)
        return [attack(answers, graph.y, graph.train_mask & foreign, graph.test_mask & foreign, shadow)]


def assert_nodes(data: object) -> None:
    """Raise if a client's data are no graph of nodes.

    Args:
        data: The client's data.

    Raises:
        ValueError: If they are something else.
    """
    if not isinstance(data, NodeData):
        raise ValueError(f"data: expected clients with a graph each, got {type(data).__name__}")
