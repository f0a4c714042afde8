import networkx as nx
import torch
from torch_geometric.datasets import KarateClub
from torch_geometric.utils import coalesce

from graphml.data.samples import karate_club


def test_edges_are_those_of_networkx_and_of_pyg():
    data = karate_club()
    graph = nx.karate_club_graph()
    ours = {tuple(edge) for edge in data.edge_index.t().tolist()}
    assert ours == {(a, b) for u, v in graph.edges for a, b in ((u, v), (v, u))}
    assert torch.equal(coalesce(data.edge_index), coalesce(KarateClub()[0].edge_index))


def test_labels_are_the_two_clubs_and_features_the_identity():
    data = karate_club()
    clubs = nx.get_node_attributes(nx.karate_club_graph(), "club")
    assert [("Mr. Hi", "Officer")[label] for label in data.y.tolist()] == [clubs[node] for node in range(34)]
    assert data.y.bincount().tolist() == [17, 17]
    assert torch.equal(data.x, torch.eye(34))
