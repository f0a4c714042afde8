import numpy as np
import pytest
import torch

from graphml.losses import cca_loss


@pytest.mark.parametrize("trade_off", [0.0, 1e-3, 1.0])
def test_value_by_numpys_correlations(trade_off):
    z1, z2 = torch.randn(2, 30, 4, dtype=torch.float64).unbind()
    both = np.corrcoef(z1, z2, rowvar=False)
    agreement = 2 * 4 - 2 * np.trace(both[:4, 4:])  # |Z1 - Z2|^2 of columns of length 1
    decorrelation = sum(((block - np.eye(4)) ** 2).sum() for block in (both[:4, :4], both[4:, 4:]))
    assert cca_loss(z1, z2, trade_off).item() == pytest.approx(agreement + trade_off * decorrelation)


def test_zero_for_equal_views_with_uncorrelated_dimensions():
    z = torch.linalg.qr(torch.cat([torch.ones(20, 1), torch.randn(20, 3)], dim=1).double())[0][:, 1:]
    assert cca_loss(z, 5 * z + 1, 1.0).item() == pytest.approx(0, abs=1e-8)


def test_a_collapsed_dimension_gives_a_finite_gradient():
    z1, z2 = (torch.randn(10, 3).index_fill(1, torch.tensor([1]), 2.0).requires_grad_() for _ in range(2))
    cca_loss(z1, z2).backward()
    assert z1.grad.isfinite().all()


def test_gradients_by_finite_differences():
    z1, z2 = (torch.randn(6, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: cca_loss(a, b, 0.1), (z1, z2))
