import pytest
import torch

from graphml.losses import scaled_cosine_error


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0, 3.0])
def test_value_by_the_definition_of_the_cosine(gamma):
    reconstruction, x = torch.randn(2, 7, 4, dtype=torch.float64).unbind()
    errors = [(1 - (r @ t / (r.norm() * t.norm())).item()) ** gamma for r, t in zip(reconstruction, x, strict=True)]
    assert scaled_cosine_error(reconstruction, x, gamma).item() == pytest.approx(sum(errors) / 7)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0, 2.5])
def test_perfect_reconstruction_is_zero_with_finite_gradients(gamma):
    """A cosine may round to a little more than 1, whose error has no fractional power."""
    x = torch.randn(10_000, 7, generator=torch.Generator().manual_seed(0))
    reconstruction = (3 * x).requires_grad_()
    loss = scaled_cosine_error(reconstruction, x, gamma)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert reconstruction.grad.isfinite().all()


def test_gradient_by_finite_differences():
    reconstruction, x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True), torch.randn(5, 3).double()
    assert torch.autograd.gradcheck(lambda r: scaled_cosine_error(r, x, 2.5), (reconstruction,))
