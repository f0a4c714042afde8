"""Secret sharing."""

import itertools
import secrets

import pytest
from sympy import isprime

from graphml.federated.privacy.shamir import PRIME, SHARE_BYTES, join, split


def test_the_modulus_is_the_smallest_prime_above_all_secrets():
    assert isprime(PRIME)
    assert not any(isprime(2**256 + gap) for gap in range(297))


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, secrets.token_bytes(32)], ids=["zeros", "ones", "drawn"])
@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (2, 3), (3, 5), (5, 5)])
def test_any_shares_of_the_threshold_give_the_secret(secret, threshold, count):
    shares = dict(enumerate(split(secret, threshold, count), start=1))
    assert all(len(share) == SHARE_BYTES for share in shares.values())
    for size in range(threshold, count + 1):
        for chosen in itertools.combinations(shares, size):
            assert join({number: shares[number] for number in chosen}) == secret


def test_fewer_shares_fit_any_secret():
    """To two of three shares of the threshold there is a third for every secret: they tell nothing."""
    shares = split(b"a" * 32, 3, 3)
    for other in (bytes(32), b"z" * 32):
        value = int.from_bytes(other, "big")
        # the quadratic through (0, other), (1, y1), (2, y2) at 3, by finite differences
        y1, y2 = (int.from_bytes(share, "big") for share in shares[:2])
        third = (value - 3 * y1 + 3 * y2) % PRIME
        assert join({1: shares[0], 2: shares[1], 3: third.to_bytes(SHARE_BYTES, "big")}) == other


def test_shares_are_drawn_anew():
    assert split(bytes(32), 2, 2) != split(bytes(32), 2, 2)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="secret: expected 32 bytes, got 31"):
        split(bytes(31), 2, 3)
    for threshold in (0, 4):
        with pytest.raises(ValueError, match=f"threshold: expected 1 to 3, the number of shares, got {threshold}"):
            split(bytes(32), threshold, 3)
    with pytest.raises(ValueError, match="shares: expected those of one secret of 32 bytes, got others"):
        join({1: (2**256).to_bytes(33, "big")})
