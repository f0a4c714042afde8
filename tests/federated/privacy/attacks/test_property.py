import functools
import math

import pytest
import torch
from torch_geometric.data import Data

from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import (
    above_median,
    class_share,
    connected_nodes,
    edge_homophily,
    local_update,
    property_inference,
    small_client,
)
from graphml.federated.weights import weights_of

LOCAL = LocalTraining(2, functools.partial(torch.optim.SGD, lr=0.2))


def clients(graph: Data, number: int, seed: int) -> list[Data]:
    generator = torch.Generator().manual_seed(seed)
    return [small_client(graph, connected_nodes(graph, 12, generator)) for _ in range(number)]


def test_the_share_of_a_class_stands_in_the_update(task, graphs):
    weights = weights_of(task)
    shadows, targets = clients(graphs[2], 30, seed=0), clients(graphs[3], 30, seed=1)
    updates = [[local_update(task, weights, data, LOCAL, seed=0) for data in group] for group in (shadows, targets)]
    shares = [[class_share(data, 0) for data in group] for group in (shadows, targets)]
    has = [above_median(group, shares[0]) for group in shares]
    found = property_inference(updates[0], has[0], updates[1], has[1])
    assert found.metrics["auc"] > 0.9
    assert property_inference(updates[0], has[0], updates[1], has[1]) == found
    nothing = [{name: torch.zeros_like(value) for name, value in update.items()} for update in updates[1]]
    assert property_inference(updates[0], has[0], nothing, has[1]).metrics["auc"] == 0.5


def test_small_tensors_count_as_much_as_large_ones():
    generator = torch.Generator().manual_seed(0)
    has = [number % 2 == 0 for number in range(40)]
    updates = [
        {"weight": torch.randn(50, 20, generator=generator), "bias": torch.tensor([0.01 if truth else -0.01])}
        for truth in has
    ]
    assert property_inference(updates[:20], has[:20], updates[20:], has[20:]).metrics["auc"] == 1


def test_properties_are_counted():
    edges = torch.tensor([[0, 1, 1, 2, 2, 3, 0, 1, 2, 3], [1, 0, 2, 1, 3, 2, 0, 1, 2, 3]])
    mask = torch.tensor([True, True, True, False])
    data = Data(y=torch.tensor([0, 0, 1, 1]), edge_index=edges, train_mask=mask)
    assert class_share(data, 0) == pytest.approx(2 / 3)
    assert edge_homophily(data) == pytest.approx(2 / 3)
    assert math.isnan(edge_homophily(Data(y=data.y, edge_index=edges[:, 6:])))
    assert above_median([0.1, 0.5, 0.9], [0.2, 0.5, 0.6]) == [False, False, True]


def test_other_numbers_of_truths_and_shadows_of_one_kind_are_errors():
    update = {"w": torch.ones(2)}
    with pytest.raises(ValueError, match="shadow_has: expected 2 truths, one an update, got 1"):
        property_inference([update] * 2, [True], [update], [True])
    with pytest.raises(ValueError, match="has: expected 1 truths, one an update, got 2"):
        property_inference([update] * 2, [True, False], [update], [True, False])
    with pytest.raises(ValueError, match="shadow_has: expected clients with and without the property"):
        property_inference([update] * 2, [True, True], [update], [True])
