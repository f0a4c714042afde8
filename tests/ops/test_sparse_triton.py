"""The GPU kernel on a GPU, or in Triton's interpreter where there is none (tests/conftest.py switches it on)."""

import pytest
import scipy.sparse
import torch

pytest.importorskip("triton")

from graphml.ops.sparse_triton import CHUNK, triton_csr_product

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RANDOM = [0, 3, 0, 1, 9, 40, 0, 0]  # entries a row
HUBS = [700, 0, CHUNK, CHUNK + 1, 3, 5000, 1100, 1]  # some rows longer than a chunk, one of exactly a chunk


def matrix(counts: list[int], num_cols: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pointers, columns (repeated ones too) and float64 weights of a matrix with so many entries in each row."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(counts)
    rowptr = torch.tensor([0, *counts]).cumsum(0)
    weight = torch.randn(total, generator=generator, dtype=torch.float64)
    return rowptr, torch.randint(num_cols, (total,), generator=generator), weight


def oracle(rowptr: torch.Tensor, col: torch.Tensor, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    shape = (rowptr.numel() - 1, x.size(0))
    sparse = scipy.sparse.csr_array((weight.double().numpy(), col.numpy(), rowptr.numpy()), shape=shape)
    return torch.from_numpy(sparse @ x.double().numpy())


def product(rowptr, col, weight, x, minus=None, out=None):
    return triton_csr_product(
        *(t if t is None else t.to(DEVICE) for t in (rowptr, col, weight, x, minus)), out=out
    ).cpu()


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize("width", [1, 3, 128, 512])
@pytest.mark.parametrize("counts", [RANDOM, HUBS, [2], [0], [0, 0, 0]])
def test_product_is_scipys(counts, width, index):
    counts = [count for count in counts if width < 128 or count < 1000]  # the interpreter is slow
    rowptr, col, weight = matrix(counts, 50)
    x = torch.randn(50, width, generator=torch.Generator().manual_seed(1))
    out = product(rowptr.to(index), col.to(index), weight.float(), x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, oracle(rowptr, col, weight.float(), x).float(), atol=2e-4, rtol=1e-4)


def test_chunks_cut_rows_of_a_power_law_at_any_place():
    counts = [int(3000 / (1 + i % 7) ** 1.3) for i in range(20)]
    rowptr, col, weight = matrix(counts, 30)
    x = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(product(rowptr, col, weight, x), oracle(rowptr, col, weight, x))


@pytest.mark.parametrize("counts", [RANDOM, HUBS])
def test_subtraction_comes_with_the_product_into_a_given_place(counts):
    rowptr, col, weight = matrix(counts, 20)
    generator = torch.Generator().manual_seed(1)
    x, minus = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (20, len(counts)))
    place = torch.zeros(len(counts), 9, dtype=torch.float64, device=DEVICE)
    product(rowptr, col, weight, x, minus, out=place[:, 2:7])
    torch.testing.assert_close(place[:, 2:7].cpu(), oracle(rowptr, col, weight, x) - minus)
    assert not place[:, [0, 1, 7, 8]].any()


def test_half_precision_is_summed_in_single_precision():
    rowptr, col, weight = matrix(HUBS, 40)
    x = torch.randn(40, 8, generator=torch.Generator().manual_seed(1)).bfloat16()
    out = product(rowptr, col, weight.bfloat16(), x)
    assert out.dtype == torch.bfloat16
    expected = oracle(rowptr, col, weight.bfloat16(), x)
    torch.testing.assert_close(
        out.double(), expected, atol=1e-3, rtol=2**-7
    )  # one rounding, at the end (the interpreter truncates)


def test_strides_do_not_matter():
    rowptr, col, weight = matrix(RANDOM, 20)
    wide = torch.randn(20, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for x in (wide[:, 3:8], wide[:, ::2], wide.T.contiguous().T):
        torch.testing.assert_close(product(rowptr, col, weight, x), oracle(rowptr, col, weight, x))


def test_runs_are_bit_equal():
    rowptr, col, weight = matrix(HUBS, 40)
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(product(rowptr, col, weight.float(), x), product(rowptr, col, weight.float(), x))
