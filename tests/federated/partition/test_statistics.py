import math

import pytest
import torch
from scipy.spatial.distance import cityblock

from graphml.federated.partition.statistics import total_variation


def test_total_variation_is_half_of_the_city_block_distance() -> None:
    counts = torch.randint(1, 50, (6, 5), generator=torch.Generator().manual_seed(0))
    reference = counts.sum(dim=0)
    expected = [cityblock(row / row.sum(), reference / reference.sum()) / 2 for row in counts.double().numpy()]
    assert total_variation(counts, reference).tolist() == pytest.approx(expected, abs=1e-6)


def test_total_variation_is_zero_one_or_undefined() -> None:
    counts = torch.tensor([[3, 3, 0], [0, 0, 1], [0, 0, 0]])
    equal, disjoint, undefined = total_variation(counts, torch.tensor([1, 1, 0])).tolist()
    assert (equal, disjoint) == (0, 1)
    assert math.isnan(undefined)
