import pytest
import torch
import torch.nn.functional as F

from graphml.ops import contrastive, contrastive_logsumexp


def dense(z: torch.Tensor, tau: float) -> torch.Tensor:
    similarity = z @ z.T / tau
    return similarity.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf")).logsumexp(1)


@pytest.mark.parametrize("tile", [1, 50, 7 * 23, 10**6], ids=["a_row", "two_rows", "uneven", "one_tile"])
@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
def test_value_and_gradient_equal_the_dense_formula_whatever_the_tile(tile, tau, monkeypatch):
    monkeypatch.setattr(contrastive, "_TILE", tile)
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


def test_no_tile_exceeds_the_bound_but_one_row():
    for num_rows in (2, 5_000, 68_986, 2_000_000):
        tiles = contrastive._tiles(torch.empty(num_rows, 1))
        assert tiles.step * num_rows <= max(contrastive._TILE, num_rows)
        assert tiles.start == 0
        assert tiles[-1] < num_rows <= tiles[-1] + tiles.step


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
