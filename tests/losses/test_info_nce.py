import itertools

import pytest
import torch
import torch.nn.functional as F

from graphml.bench.measure import peak_mib
from graphml.losses import info_nce
from graphml.ops import contrastive


def grace(z1: torch.Tensor, z2: torch.Tensor, tau: float) -> torch.Tensor:
    """The dense formula as GRACE's authors wrote it."""

    def half(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        within, between = (torch.exp(F.normalize(a) @ F.normalize(c).T / tau) for c in (a, b))
        return -torch.log(between.diag() / (within.sum(1) + between.sum(1) - within.diag()))

    return (half(z1, z2) + half(z2, z1)).mean() / 2


def pair(num_nodes: int, channels: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """Two views that agree in part, none of them normalised."""
    generator = torch.Generator().manual_seed(0)
    common, *own = torch.randn(3, num_nodes, channels, generator=generator, dtype=torch.float64).unbind()
    z1, z2 = (((common + noise) * 3).to(dtype).requires_grad_() for noise in own)
    return z1, z2


@pytest.mark.parametrize("tau", [0.2, 0.5, 1.0])
def test_value_and_gradient_equal_the_dense_formula_at_the_size_of_cora(tau):
    z1, z2 = pair(2708, 128)
    ours = info_nce(z1, z2, tau)
    exact1, exact2 = (z.detach().double().requires_grad_() for z in (z1, z2))
    oracle = grace(exact1, exact2, tau)
    assert ours.item() == pytest.approx(oracle.item(), abs=1e-5)
    for grad, exact in zip(
        torch.autograd.grad(ours, (z1, z2)), torch.autograd.grad(oracle, (exact1, exact2)), strict=True
    ):
        assert (grad - exact).abs().max() <= 1e-5 * exact.abs().max()  # relative: an entry is of the size 1e-5 itself


def test_gradients_by_finite_differences():
    z1, z2 = pair(5, 3, torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, 0.5), (z1, z2))


def test_tangents_and_compiled_code_take_the_same_formula():
    z1, z2 = (z.detach() for z in pair(30, 6, torch.float64))
    directions = torch.randn(2, 30, 6, dtype=torch.float64).unbind()
    value, tangent = torch.func.jvp(info_nce, (z1, z2), directions)
    grads = torch.func.grad(info_nce, argnums=(0, 1))(z1, z2)
    torch.testing.assert_close(value, info_nce(z1, z2))
    torch.testing.assert_close(tangent, sum((g * d).sum() for g, d in zip(grads, directions, strict=True)))
    compiled = torch.compile(info_nce, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(z1, z2), value)


def test_own_similarity_is_not_in_the_denominator():
    """Two orthogonal nodes, equal views: exp(2) against exp(2) + 2 exp(0); with the bug it would be 2 exp(2) + 2."""
    z = torch.eye(2)
    expected = torch.log(torch.exp(torch.tensor(2.0)) + 2) - 2
    torch.testing.assert_close(info_nce(z, z, 0.5), expected)


def test_length_of_the_rows_does_not_matter_and_views_may_be_swapped():
    z1, z2 = pair(40, 8)
    expected = info_nce(z1, z2)
    torch.testing.assert_close(info_nce(7 * z1, 0.2 * z2), expected)
    torch.testing.assert_close(info_nce(z2, z1), expected)


def test_a_row_of_zeros_gives_finite_gradients():
    z1, z2 = pair(6, 4)
    with torch.no_grad():
        z1[2] = 0
    info_nce(z1, z2).backward()
    assert z1.grad.isfinite().all()
    assert z2.grad.isfinite().all()


def test_half_precision_stays_near():
    z1, z2 = pair(200, 16)
    out = info_nce(z1.bfloat16(), z2.bfloat16())
    torch.testing.assert_close(out.float(), info_nce(z1, z2), atol=0.05, rtol=0.02)


def test_memory_at_the_size_of_physics_does_not_grow_with_the_square(monkeypatch):
    """A few tiles of the full size: the others reuse their memory, one after the other.

    They would add minutes and no byte; experiments/benchmarks/info_nce.py runs them all.
    """
    blocks = contrastive._blocks
    monkeypatch.setattr(contrastive, "_blocks", lambda z: itertools.islice(blocks(z), 3))
    z1, z2 = (torch.randn(34_493, 256, requires_grad=True) for _ in range(2))
    peak = 2**20 * peak_mib(lambda: info_nce(z1, z2).backward())
    copies_and_gradients = 2 * (z1.nbytes + z2.nbytes)
    assert copies_and_gradients < peak < copies_and_gradients + 5e6


@pytest.mark.parametrize(
    ("first", "second"), [((4, 3), (5, 3)), ((4, 3), (4, 2)), ((4,), (4,)), ((2, 4, 3), (2, 4, 3))]
)
def test_views_must_be_matrices_of_one_shape(first, second):
    with pytest.raises(ValueError, match=r"z1, z2: expected two matrices \[N, d\] of one shape"):
        info_nce(torch.randn(first), torch.randn(second))


@pytest.mark.parametrize("tau", [0.0, -0.5])
def test_temperature_must_be_positive(tau):
    with pytest.raises(ValueError, match="tau: expected a temperature > 0"):
        info_nce(torch.randn(4, 3), torch.randn(4, 3), tau)
