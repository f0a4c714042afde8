"""Bits on the wire."""

import numpy as np
import pytest
import torch

from graphml.federated.compression.packing import pack, packed_size, unpack


@pytest.mark.parametrize("bits", range(1, 17))
def test_what_is_packed_is_unpacked(bits):
    rng = np.random.default_rng(bits)
    for count in (0, 1, 7, 8, 1001):
        codes = torch.from_numpy(rng.integers(0, 2**bits, count, dtype=np.int32))
        packed = pack(codes, bits)
        assert packed.dtype == torch.uint8
        assert len(packed) == packed_size(count, bits) == int(np.ceil(count * bits / 8))
        assert torch.equal(unpack(packed, bits, count), codes)


@pytest.mark.parametrize("bits", [1, 3, 4, 11, 16])
def test_bits_lie_end_to_end_the_lowest_first(bits):
    codes = [int(code) for code in np.random.default_rng(0).integers(0, 2**bits, 29)]
    whole = sum(code << (place * bits) for place, code in enumerate(codes))  # a Python integer of any length
    expected = whole.to_bytes(packed_size(len(codes), bits), "little")
    assert bytes(pack(torch.tensor(codes), bits).tolist()) == expected


def test_wrong_widths_codes_and_sizes_are_named():
    with pytest.raises(ValueError, match="bits: expected 1 to 16, got 17"):
        pack(torch.tensor([1]), 17)
    with pytest.raises(ValueError, match="bits: expected 1 to 16, got 0"):
        unpack(torch.empty(0, dtype=torch.uint8), 0, 0)
    with pytest.raises(ValueError, match="codes: expected integers from 0 to 7, got -1 to 8"):
        pack(torch.tensor([8, -1]), 3)
    with pytest.raises(ValueError, match=r"packed: expected 2 bytes for 5 integers of 3 bits, got shape \[1\]"):
        unpack(torch.zeros(1, dtype=torch.uint8), 3, 5)
