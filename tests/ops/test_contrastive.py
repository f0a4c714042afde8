import pytest
import torch
import torch.nn.functional as F

from graphml.bench.measure import peak_mib
from graphml.ops import contrastive, contrastive_logsumexp


def dense(z: torch.Tensor, tau: float) -> torch.Tensor:
    similarity = z @ z.T / tau
    return similarity.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf")).logsumexp(1)


@pytest.mark.parametrize("tile", [1, 2, 7, 1000], ids=["a_number", "two_rows", "uneven", "one_tile"])
@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
def test_value_and_gradient_equal_the_dense_formula_whatever_the_tile(tile, tau, monkeypatch):
    monkeypatch.setitem(contrastive._TILE, "cpu", tile)
    z = torch.randn(23, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    direction = torch.randn(23, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, oracle = contrastive_logsumexp(z, tau), dense(z, tau)
    torch.testing.assert_close(ours, oracle)
    torch.testing.assert_close(
        torch.autograd.grad((ours * direction).sum(), z), torch.autograd.grad((oracle * direction).sum(), z)
    )


def test_gradient_by_finite_differences():
    z = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: contrastive_logsumexp(v, 0.7), (z,))


def test_two_rows_have_each_other_alone():
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    torch.testing.assert_close(contrastive_logsumexp(z, 0.5), torch.full((2,), 1.2))


def test_a_small_temperature_does_not_overflow():
    z = F.normalize(torch.randn(30, 5, generator=torch.Generator().manual_seed(0)), dim=1).requires_grad_()
    out = contrastive_logsumexp(z, 1e-3)  # exp(1000) is infinite
    torch.testing.assert_close(out.double(), dense(z.double(), 1e-3), atol=1e-2, rtol=1e-5)
    out.sum().backward()
    assert z.grad.isfinite().all()


def test_input_is_left_alone():
    z = torch.randn(9, 3, requires_grad=True)
    before = z.detach().clone()
    contrastive_logsumexp(z, 0.5).sum().backward()
    assert torch.equal(z, before)


def test_strides_do_not_matter():
    z = torch.randn(4, 9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(contrastive_logsumexp(z.T, 0.5), dense(z.T, 0.5))
    (ours,) = torch.autograd.grad(contrastive_logsumexp(z.T, 0.5).sum(), z)
    (oracle,) = torch.autograd.grad(dense(z.T, 0.5).sum(), z)
    torch.testing.assert_close(ours, oracle)


@pytest.mark.parametrize("num_rows", [2, 512, 1300])
def test_tiles_cover_each_pair_once(num_rows):
    covered = torch.zeros(num_rows, num_rows, dtype=torch.int)
    for rows, cols in contrastive._blocks(torch.empty(num_rows, 1)):
        assert rows == cols or rows.stop <= cols.start
        covered[rows, cols] += 1
        if rows != cols:
            covered[cols, rows] += 1
    assert (covered == 1).all()


def test_memory_stays_under_5_mb():
    z = torch.randn(4000, 16, requires_grad=True)
    peak = 2**20 * peak_mib(lambda: contrastive_logsumexp(z, 0.5).sum().backward())
    assert z.nbytes < peak < z.nbytes + 5e6  # the gradient, and the rest; the similarity matrix has 64 MB


def test_tangent_equals_the_dense_formula(monkeypatch):
    monkeypatch.setitem(contrastive._TILE, "cpu", 7)
    z, direction = torch.randn(2, 23, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = torch.func.jvp(lambda v: contrastive_logsumexp(v, 0.5), (z,), (direction,))
    torch.testing.assert_close(ours, torch.func.jvp(lambda v: dense(v, 0.5), (z,), (direction,)))


def test_tangent_by_finite_differences():
    z = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: contrastive_logsumexp(v, 0.7), (z,), check_forward_ad=True)


def test_tangent_inside_of_a_compiled_graph_raises():
    z = torch.randn(11, 3)

    def tangent(v):
        return torch.func.jvp(lambda u: contrastive_logsumexp(u, 0.5), (v,), (z,))[1]

    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(tangent, fullgraph=True, backend="aot_eager")(z)
    torch._dynamo.reset()  # with graph breaks the operator runs outside of the graph
    torch.testing.assert_close(torch.compile(tangent, backend="aot_eager")(z), tangent(z))


def test_second_derivatives_raise():
    z = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)

    def gradient(v):
        return torch.func.grad(lambda u: contrastive_logsumexp(u, 0.5).sum())(v)

    with pytest.raises(RuntimeError):
        torch.func.jvp(gradient, (z.detach(),), (z.detach(),))
    (grad,) = torch.autograd.grad(contrastive_logsumexp(z, 0.5).sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        grad.sum().backward()


def test_operator_is_registered_completely():
    torch.library.opcheck(torch.ops.graphml.contrastive_logsumexp, (torch.randn(7, 3, requires_grad=True), 0.5))


def test_it_compiles_without_a_graph_break():
    z = torch.randn(11, 3, requires_grad=True)
    compiled = torch.compile(contrastive_logsumexp, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(z, 0.5), dense(z, 0.5))
    (ours,) = torch.autograd.grad(compiled(z, 0.5).sum(), z)
    torch.testing.assert_close(ours, torch.autograd.grad(dense(z, 0.5).sum(), z)[0])


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(tau):
    with pytest.raises(ValueError, match="tau: expected a temperature > 0"):
        contrastive_logsumexp(torch.randn(4, 2), tau)


@pytest.mark.parametrize("shape", [(1, 3), (4,), (2, 3, 4)])
def test_rows_must_be_two_or_more(shape):
    with pytest.raises(ValueError, match=r"z: expected at least two rows \[N, d\]"):
        contrastive_logsumexp(torch.randn(shape), 0.5)
