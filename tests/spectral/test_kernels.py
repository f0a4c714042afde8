import numpy as np
import pytest
import torch

from graphml.spectral import KERNELS, FilterKernel, Heat, MexicanHat, Meyer, get_kernel

LOW_PASS = ["scaling", "heat"]
BAND_PASS = ["mexican_hat", "x_exp", "meyer", "abspline"]


def abspline(y: float) -> float:
    """Hammond et al. 2011, eq. 65, the spline by the four conditions at its ends."""
    if y < 1:
        return y**2
    if y > 2:
        return (2 / y) ** 2
    conditions = np.array([[1, 1, 1, 1], [1, 2, 4, 8], [0, 1, 2, 3], [0, 1, 4, 12]], dtype=float)
    return float(np.polynomial.polynomial.polyval(y, np.linalg.solve(conditions, [1, 1, 2, -1])))


def meyer(y: float) -> float:
    """PyGSP's Meyer, its wavelet of scale 1."""

    def v(x: float) -> float:
        return x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)

    low, middle, high = 2 / 3, 4 / 3, 8 / 3
    if low <= y < middle:
        return np.sin(np.pi / 2 * v(y / low - 1))
    if middle <= y < high:
        return np.cos(np.pi / 2 * v(y / middle - 1))
    return 0.0


PUBLISHED = {
    "scaling": lambda y: 1 / (1 + y),
    "heat": lambda y: np.exp(-y),
    "mexican_hat": lambda y: 2 * np.sqrt(2 / 3) * np.pi ** (-1 / 4) * y**2 * np.exp(-(y**2) / 2),
    "x_exp": lambda y: y * np.exp(-y),
    "meyer": meyer,
    "abspline": abspline,
}


@pytest.mark.parametrize("name", KERNELS)
def test_values_are_the_published_ones(name):
    y = torch.linspace(0, 12, 1201, dtype=torch.float64)
    expected = [PUBLISHED[name](value) for value in y.tolist()]
    np.testing.assert_allclose(get_kernel(name)(y), expected, atol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_derivative_by_finite_differences(name):
    y = torch.tensor([1e-3, 0.3, 0.9, 1.1, 1.7, 2.3, 2.6, 5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(get_kernel(name), (y,))


@pytest.mark.parametrize("name", KERNELS)
def test_derivative_is_finite_and_continuous_everywhere(name):
    y = torch.linspace(0, 10, 100_001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(get_kernel(name)(y).sum(), y)
    assert slope.isfinite().all()
    assert slope.diff().abs().max() < 0.01  # a jump of the derivative at a joint would be far larger


@pytest.mark.parametrize("name", BAND_PASS)
def test_band_pass_vanishes_at_zero_and_far_out(name):
    ends = get_kernel(name)(torch.tensor([0.0, 1e3]))
    assert ends[0] == 0
    assert ends[1].abs() < 1e-5


@pytest.mark.parametrize("name", LOW_PASS)
def test_low_pass_falls_from_one(name):
    values = get_kernel(name)(torch.linspace(0, 10, 100))
    assert values[0] == 1
    assert (values.diff() < 0).all()


@pytest.mark.parametrize(("name", "top"), [("mexican_hat", 2**0.5), ("x_exp", 1.0), ("meyer", 4 / 3)])
def test_greatest_value_is_where_the_docstring_says(name, top):
    y = torch.linspace(0, 10, 100_001, dtype=torch.float64)
    assert y[get_kernel(name)(y).argmax()].item() == pytest.approx(top, abs=1e-2)


def test_meyer_wavelets_of_neighbouring_octaves_are_a_tight_frame():
    y = torch.linspace(4 / 3, 8 / 3, 500, dtype=torch.float64)
    torch.testing.assert_close(Meyer()(y) ** 2 + Meyer()(y / 2) ** 2, torch.ones_like(y))


@pytest.mark.parametrize("name", KERNELS)
def test_shape_and_type_are_kept(name):
    out = get_kernel(name)(torch.rand(2, 3))
    assert out.shape == (2, 3)
    assert out.dtype == torch.float32
    assert get_kernel(name)(torch.zeros(0)).shape == (0,)


def test_kernel_by_name_or_as_an_object():
    assert isinstance(get_kernel("heat"), Heat)
    kernel = MexicanHat()
    assert get_kernel(kernel) is kernel
    assert repr(kernel) == "MexicanHat()"


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"kernel: expected one of \['abspline', .*'x_exp'\].*, got 'mexican'"):
        get_kernel("mexican")


def test_base_class_is_to_be_overridden():
    with pytest.raises(NotImplementedError):
        FilterKernel()(torch.zeros(1))
