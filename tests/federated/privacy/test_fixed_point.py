"""Sums in a ring."""

import numpy as np
import pytest
import torch

from graphml.federated.privacy.fixed_point import FixedPoint


@pytest.mark.parametrize("bits", [32, 64])
def test_the_average_is_numpys_to_fixed_point_precision(bits):
    rng, codec = np.random.default_rng(0), FixedPoint(bits=bits)
    vectors, examples = rng.uniform(-16, 16, (5, 1000)), rng.integers(0, 5000, 5)
    codes = [codec.encode(torch.from_numpy(each), int(n)) for each, n in zip(vectors, examples, strict=True)]
    mean, total = codec.decode(np.sum(codes, axis=0, dtype=codes[0].dtype))
    bound = 5 / (2 * codec.scale * examples.sum()) + 1e-12
    assert total == examples.sum()
    assert np.abs(mean.numpy() - np.average(vectors, axis=0, weights=examples)).max() <= bound
    assert bound < (2e-6 if bits == 32 else 2e-12)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sum_fits(bits, sign):
    codec = FixedPoint(max_value=10.0, max_examples=1000, bits=bits)
    codes = [codec.encode(torch.full((2,), 10.0 * sign, dtype=torch.float64), 100) for _ in range(10)]
    mean, total = codec.decode(np.sum(codes, axis=0, dtype=codes[0].dtype))
    assert total == 1000
    np.testing.assert_allclose(mean, 10.0 * sign)


def test_nobody_with_examples_gives_zeros():
    codec = FixedPoint()
    mean, total = codec.decode(codec.encode(torch.ones(3, dtype=torch.float64), 0))
    assert total == 0
    assert mean.tolist() == [0, 0, 0]


def test_what_does_not_fit_is_named():
    codec, one = FixedPoint(max_value=2.0, max_examples=10), torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"max_value: expected weights of magnitude up to 2.0, got 3.0"):
        codec.encode(3 * one, 1)
    with pytest.raises(ValueError, match=r"max_value: expected weights of magnitude up to 2.0, got nan"):
        codec.encode(torch.nan * one, 1)
    with pytest.raises(ValueError, match="max_examples: expected 0 to 10, got 11"):
        codec.encode(one, 11)
    with pytest.raises(ValueError, match="max_examples: expected a sum of 0 to 10, got 12"):
        codec.decode(codec.encode(one, 6) + codec.encode(one, 6))
    with pytest.raises(ValueError, match="bits: expected 32 or 64, got 16"):
        FixedPoint(bits=16)
    with pytest.raises(ValueError, match="max_value and max_examples: expected above 0 and at least 1, got 0 and 5"):
        FixedPoint(0, 5)
    with pytest.raises(ValueError, match="bits: expected more than 32 for a max_value of 10000000000"):
        FixedPoint(1e10)
