import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from graphml.federated.privacy.attacks import sample_pairs
from graphml.federated.privacy.attacks.node_pairs import DISTANCES, pair_distances, pair_features


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_there_are_as_many_links_as_pairs_without_one(graphs):
    data = graphs[0]
    pairs = sample_pairs(data.edge_index, data.num_nodes, generator())
    edges = {(a, b) for a, b in data.edge_index.as_tensor().t().tolist() if a < b}
    codes = [tuple(pair) for pair in pairs.nodes.t().tolist()]
    assert len(set(codes)) == len(codes) == 2 * len(edges)
    assert all(a < b for a, b in codes)
    assert {code for code, linked in zip(codes, pairs.linked, strict=True) if linked} == edges
    assert 0 < int(pairs.linked[: len(edges)].sum()) < len(edges)  # in random order


def test_some_links_can_be_drawn_and_the_seed_decides_which(graphs):
    data = graphs[1]
    first, again, other = (sample_pairs(data.edge_index, data.num_nodes, generator(s), 9) for s in (0, 0, 1))
    assert torch.equal(first.nodes, again.nodes)
    assert torch.equal(first.linked, again.linked)
    assert not torch.equal(first.nodes, other.nodes)
    assert int(first.linked.sum()) == 9
    assert len(first.linked) == 18


def test_nearly_complete_graphs_have_too_few_pairs_without_a_link():
    edges = torch.tensor([[0, 0, 1, 1], [1, 2, 2, 1]])  # two links at 0, one beside, a self-loop; node 3 is alone
    pairs = sample_pairs(edges, 4, generator())
    assert {tuple(pair) for pair in pairs.nodes[:, ~pairs.linked].t().tolist()} == {(0, 3), (1, 3), (2, 3)}
    with pytest.raises(ValueError, match="num_links: expected 1 to 0 of a graph of 3 links and 0 unlinked pairs"):
        sample_pairs(edges, 3, generator())


def test_distances_are_scipys_and_0_where_they_are_undefined():
    vectors = torch.rand(6, 4, generator=generator(), dtype=torch.float64)
    vectors[5] = 0
    nodes = torch.tensor([[0, 1, 2, 0], [3, 4, 1, 5]])
    found = pair_distances(vectors, nodes)
    for column, name in enumerate(DISTANCES):
        everything = cdist(vectors, vectors, metric=name)
        np.testing.assert_allclose(found[:, column], np.nan_to_num(everything[nodes[0], nodes[1]]), rtol=1e-9)
    assert found[3, list(DISTANCES).index("cosine")] == 0
    np.testing.assert_array_equal(pair_distances(vectors.to_sparse_csr(), nodes), found)


def test_features_of_a_pair_do_not_depend_on_its_order():
    values = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    found = pair_features(values, torch.tensor([[0, 1], [1, 0]]))
    assert found[0].tolist() == [2, 0.5, 3, -2, 2, 3, 4, 9]
    np.testing.assert_array_equal(found[0], found[1])
