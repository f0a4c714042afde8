"""Packed matrices against NumPy."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from graphml.federated.matrices import packed, unpacked


@pytest.mark.parametrize("density", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(6, 9), (0, 4), (1, 200)])
def test_what_is_packed_comes_back(density, shape):
    generator = np.random.default_rng(0)
    dense = (generator.random(shape) * (generator.random(shape) < density)).astype(np.float32)
    arrays = packed(csr_array(dense))
    np.testing.assert_array_equal(unpacked(arrays).toarray(), dense)


def test_the_smaller_form_is_taken():
    sparse, full = packed(csr_array(np.eye(50, dtype=np.float32))), packed(csr_array(np.ones((5, 5), np.float32)))
    assert sum(array.nbytes for array in sparse.values()) == 8 * 50 + 4 * 51 + 16
    assert full.keys() == {"dense"}


def test_arrays_of_no_matrix_are_refused():
    arrays = packed(csr_array(np.eye(50, dtype=np.float32)))
    with pytest.raises(ValueError, match="expected those of a packed matrix, got none"):
        unpacked({})
    with pytest.raises(ValueError, match="expected those of a packed matrix, got dense"):
        unpacked({"dense": torch.ones(3)})
    with pytest.raises(ValueError, match="indices must be < 50"):
        unpacked(arrays | {"col": arrays["col"] + 1})
    with pytest.raises(ValueError, match="index pointer"):
        unpacked(arrays | {"rowptr": arrays["rowptr"][:-1]})
