import numpy as np
import pytest
import scipy.sparse
import torch

from graphml.ops.csr import column_blocks, csr_dot, csr_product

MATRIX = scipy.sparse.random_array((7, 5), density=0.4, format="csr", rng=np.random.default_rng(0))
MATRIX[2] = 0  # an empty row
MATRIX.eliminate_zeros()


def parts(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(MATRIX.indptr.astype(np.int64)),
        torch.from_numpy(MATRIX.indices.astype(np.int64)),
        torch.from_numpy(MATRIX.data).to(dtype),
    )


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 0.05)]
)
def test_product_is_scipys(index, dtype, tolerance):
    rowptr, col, weight = parts(dtype)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    ours = csr_product(rowptr.to(index), col.to(index), weight, x)
    assert ours.dtype == dtype
    expected = torch.from_numpy(MATRIX @ x.double().numpy())
    torch.testing.assert_close(ours.double(), expected, atol=tolerance, rtol=tolerance)


def test_what_is_to_be_subtracted_and_where_to_write():
    x, minus = torch.randn(5, 3).double(), torch.randn(7, 3).double()
    plain = csr_product(*parts(), x)
    assert torch.equal(csr_product(*parts(), x, minus), plain - minus)
    for subtracted in (None, minus):
        out = torch.empty(7, 3, dtype=torch.float64)
        assert csr_product(*parts(), x, subtracted, out) is out
        assert torch.equal(out, plain if subtracted is None else plain - minus)


def test_dot_is_the_dense_product_at_the_entries():
    rowptr, col, _ = parts()
    left, right = torch.randn(7, 3), torch.randn(5, 3)
    row = torch.from_numpy(MATRIX.tocoo().row.astype(np.int64))
    torch.testing.assert_close(csr_dot(rowptr, col, left, right), (left @ right.T)[row, col])


@pytest.mark.parametrize("width", [0, 1, 64, 65, 200])
def test_blocks_cover_the_columns_once(width):
    x = torch.arange(3 * width).view(3, width)
    blocks = [x[:, block] for block in column_blocks(x)]
    assert all(0 < block.size(1) <= 64 for block in blocks)
    assert torch.equal(torch.cat([x[:, :0], *blocks], dim=1), x)
