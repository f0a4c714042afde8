"""Zachary's karate club: the smallest social network that everybody knows."""

import networkx as nx
import torch
from torch_geometric.data import Data


def karate_club() -> Data:
    """Load the karate club from networkx, with the club that each member joined after the split as label.

    The labels are the two clubs that Zachary observed (0: Mr. Hi, 1: Officer), not the four communities that
    `torch_geometric.datasets.KarateClub` derives by modularity. Features are the identity matrix: one member, one
    feature. Interaction counts are dropped, as edges have no weight here.

    Source: Zachary, "An information flow model for conflict and fission in small groups", 1977.

    Returns:
        `Data` with `x` [34, 34], `y` [34] in {0, 1} and a symmetric `edge_index` [2, 156].
    """
    graph = nx.karate_club_graph()
    edges = torch.tensor(list(graph.edges()), dtype=torch.int64).t()
    clubs = [int(club == "Officer") for _, club in sorted(graph.nodes(data="club"))]
    return Data(
        x=torch.eye(graph.number_of_nodes()),
        y=torch.tensor(clubs, dtype=torch.int64),
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
    )
