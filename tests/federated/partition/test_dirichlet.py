import pytest
import torch

from graphml.federated.partition import DirichletPartitioner, Items

TEN_CLASSES = Items(2000, torch.arange(2000) % 10)


def skew(alpha: float) -> float:
    return DirichletPartitioner(8, alpha=alpha)(TEN_CLASSES).statistics(TEN_CLASSES).mean_label_skew


@pytest.mark.parametrize("alpha", [0.2, 1.0, 10.0])
def test_shares_have_the_moments_of_the_dirichlet_distribution(alpha: float) -> None:
    counts = [
        DirichletPartitioner(4, seed, alpha)(TEN_CLASSES).statistics(TEN_CLASSES).label_counts for seed in range(60)
    ]
    shares = torch.stack(counts).double().movedim(1, 2).reshape(-1, 4) / 200  # 600 draws of the shares of 4 clients
    variance = 0.25 * 0.75 / (4 * alpha + 1)
    assert (shares.mean(dim=0) - 0.25).abs().max() < 4 * (variance / 600) ** 0.5
    assert shares.var(dim=0).mean().item() == pytest.approx(variance, rel=0.1)


def test_large_alpha_makes_clients_alike_and_small_alpha_apart() -> None:
    assert skew(1e6) < 0.02 < skew(10.0) < skew(1.0) < skew(0.1)
    assert skew(1e-3) > 0.6
    statistics = DirichletPartitioner(8, alpha=1e6)(TEN_CLASSES).statistics(TEN_CLASSES)
    assert statistics.sizes.sub(250).abs().max() <= 10  # a rounding a class
    assert statistics.label_counts.sub(25).abs().max() <= 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [1e-3, 0.05])
def test_no_client_is_below_the_least_size(alpha: float, seed: int) -> None:
    partition = DirichletPartitioner(100, seed, alpha, min_size=7)(TEN_CLASSES)
    assert min(member.numel() for member in partition.members) >= 7
    assert torch.cat(partition.members).sort().values.tolist() == list(range(2000))


def test_the_least_size_can_be_the_only_size() -> None:
    partition = DirichletPartitioner(100, alpha=0.1, min_size=20)(TEN_CLASSES)
    assert {member.numel() for member in partition.members} == {20}


def test_unlabelled_items_are_dealt_evenly() -> None:
    labels = torch.cat([torch.arange(500) % 5, torch.full((402,), -1)])
    statistics = DirichletPartitioner(4, alpha=0.1)(Items(902, labels)).statistics(Items(902, labels))
    unlabelled = statistics.sizes - statistics.label_counts.sum(dim=1)
    assert unlabelled.tolist() == [101, 101, 100, 100]
    assert statistics.label_counts.sum() == 500


@pytest.mark.parametrize("labels", [torch.full((9,), -1), torch.full((9,), 6)])
def test_no_labels_and_absent_classes_are_no_trouble(labels: torch.Tensor) -> None:
    partition = DirichletPartitioner(3, min_size=2)(Items(9, labels))
    assert torch.cat(partition.members).sort().values.tolist() == list(range(9))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"alpha": 0.0}, "alpha: expected a finite number above 0, got 0.0"),
        ({"alpha": float("nan")}, "alpha: expected a finite number above 0, got nan"),
        ({"min_size": 0}, "min_size: expected at least 1, got 0"),
    ],
)
def test_wrong_options_are_named(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DirichletPartitioner(2, **options)


def test_too_few_items_for_the_least_size() -> None:
    with pytest.raises(ValueError, match="min_size: expected at most 4, got 5 for 9 items and 2 clients"):
        DirichletPartitioner(2, min_size=5)(Items(9, torch.zeros(9, dtype=torch.int64)))
