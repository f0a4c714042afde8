from pathlib import Path

import pytest
import torch

from graphml.data import load_node_dataset
from graphml.federated.partition import BalancedDirichletPartitioner, DirichletPartitioner, Items

TEN_CLASSES = Items(2000, torch.arange(2000) % 10)


@pytest.mark.parametrize("alpha", [1e-3, 0.5, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_full_client_gets_none_of_the_classes_to_come(alpha: float, seed: int) -> None:
    partition = BalancedDirichletPartitioner(5, seed, alpha, min_size=1)(TEN_CLASSES)
    counts = partition.statistics(TEN_CLASSES).label_counts
    before = counts.cumsum(dim=1) - counts
    assert (counts[before >= 400] == 0).all()
    assert counts.sum() == 2000


def test_sizes_are_closer_than_those_of_plain_shares() -> None:
    for seed in range(5):
        balanced = BalancedDirichletPartitioner(10, seed, alpha=0.3)(TEN_CLASSES).statistics(TEN_CLASSES)
        plain = DirichletPartitioner(10, seed, alpha=0.3)(TEN_CLASSES).statistics(TEN_CLASSES)
        assert balanced.sizes.double().std() < plain.sizes.double().std()
        assert balanced.sizes.min() >= 10


def test_cora_in_ten_clients_as_fedgcn_deals_them(data_root: Path) -> None:
    data = load_node_dataset("Cora", str(data_root))
    items = Items(data.num_nodes, data.y, data.edge_index)
    alike = BalancedDirichletPartitioner(10, alpha=10_000.0)(items).statistics(items)
    apart = BalancedDirichletPartitioner(10, alpha=1.0)(items).statistics(items)
    assert alike.mean_label_skew < 0.02
    assert alike.sizes.sub(271).abs().max() <= 10
    assert apart.mean_label_skew > 0.2
    assert alike.edges_cut == pytest.approx(0.9, abs=0.02)
