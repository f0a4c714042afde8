"""Matrices in messages, in whichever form is smaller: all entries, or those that are not zero."""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor


def packed(matrix: csr_array) -> dict[str, Tensor]:
    """Arrays that a matrix is sent as.

    Args:
        matrix: ``[R, C]``, of float32.

    Returns:
        ``dense`` [R, C], or the compressed rows ``rowptr`` [R + 1], ``col`` [E] (both int32), ``values`` [E] and
        ``shape`` [2], whichever takes fewer bytes.
    """
    rows, columns = matrix.shape
    if 8 * matrix.nnz + 4 * (rows + 1) + 16 >= 4 * rows * columns:
        return {"dense": torch.from_numpy(matrix.toarray())}
    return {
        "rowptr": torch.from_numpy(matrix.indptr.astype(np.int32)),
        "col": torch.from_numpy(matrix.indices.astype(np.int32)),
        "values": torch.from_numpy(matrix.data),
        "shape": torch.tensor(matrix.shape),
    }


def unpacked(arrays: dict[str, Tensor]) -> csr_array:
    """The matrix that `packed` was given.

    Args:
        arrays: What it returned.

    Raises:
        ValueError: If the arrays are not those of a matrix, or contradict each other.
    """
    if arrays.keys() == {"dense"} and arrays["dense"].dim() == 2:
        return csr_array(arrays["dense"].numpy())
    if arrays.keys() != {"rowptr", "col", "values", "shape"}:
        raise ValueError(f"arrays: expected those of a packed matrix, got {', '.join(sorted(arrays)) or 'none'}")
    parts: Any = tuple(arrays[name].numpy() for name in ("values", "col", "rowptr"))
    matrix = csr_array(parts, shape=tuple(arrays["shape"].tolist()))
    matrix.check_format(full_check=True)
    return matrix
