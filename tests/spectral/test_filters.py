import pytest
import torch
from torch import nn

from graphml.spectral import FilterBank, Heat, Meyer, spectral_grid
from graphml.spectral.filters import inverse_softplus


def test_responses_are_the_kernels_at_scaled_eigenvalues_low_pass_first():
    bank = FilterBank(2, low_pass_scale=5.0, scales=[2.0, 0.5])
    lam = torch.linspace(0, 2, 33)
    expected = [1 / (1 + 5 * lam)]
    for beta in (2.0, 0.5):
        y = beta * lam
        expected.append(2 * (2 / 3) ** 0.5 * torch.pi**-0.25 * y**2 * torch.exp(-(y**2) / 2))
    torch.testing.assert_close(bank(lam), torch.stack(expected))
    torch.testing.assert_close(bank.scales, torch.tensor([5.0, 2.0, 0.5]))
    assert len(bank) == 3


def test_other_kernels_by_name_and_as_objects():
    bank = FilterBank(1, kernel=Meyer(), low_pass_kernel="heat", scales=[1.5])
    lam = torch.linspace(0, 2, 9)
    torch.testing.assert_close(bank(lam), torch.stack([Heat()(3 * lam), Meyer()(1.5 * lam)]))


@pytest.mark.parametrize(
    ("num_scales", "expected"), [(0, []), (1, [1.0]), (2, [2.0, 0.5]), (3, [2.0, 1.0, 0.5]), (5, None)]
)
def test_default_scales_are_geometric_from_two_to_a_half(num_scales, expected):
    scales = FilterBank(num_scales).scales
    assert scales[0].item() == pytest.approx(3.0)
    if expected is not None:
        assert scales[1:].tolist() == pytest.approx(expected)
        return
    ratio = scales[2:] / scales[1:-1]
    torch.testing.assert_close(ratio, ratio[:1].expand(4))


def test_without_low_pass_every_filter_is_a_band_pass():
    bank = FilterBank(2, low_pass=False)
    assert len(bank) == 2
    assert not bank(torch.zeros(1)).any()


def test_stacked_scales_are_many_banks():
    bank, lam = FilterBank(2), torch.linspace(0, 2, 9)
    raw = torch.randn(3, 4, 3)
    expected = []
    for own in raw.flatten(0, 1):
        bank.raw_scales = nn.Parameter(own)
        expected.append(bank(lam))
    bank.raw_scales = nn.Parameter(raw)
    assert len(bank) == 3
    torch.testing.assert_close(bank(lam), torch.stack(expected).view(3, 4, 3, 9))


def test_low_pass_alone():
    assert FilterBank(0)(torch.zeros(4)).tolist() == [[1.0] * 4]


def test_scales_stay_positive_whatever_the_parameter_is():
    bank = FilterBank(2)
    nn.init.constant_(bank.raw_scales, -50.0)
    assert (bank.scales > 0).all()
    assert bank(spectral_grid()).isfinite().all()


def test_gradient_of_the_scales_by_finite_differences():
    bank = FilterBank(3, scales=[2.0, 1.0, 0.7]).double()
    lam = torch.linspace(0, 2, 7, dtype=torch.float64)
    raw = bank.raw_scales.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda r: torch.func.functional_call(bank, {"raw_scales": r}, (lam,)), (raw,))


def test_fixed_scales_are_a_buffer_that_is_saved():
    bank = FilterBank(1, learn_scales=False)
    assert list(bank.parameters()) == []
    assert list(bank.state_dict()) == ["raw_scales"]


def test_reset_restores_the_initial_scales():
    bank = FilterBank(2, scales=[1.2, 0.4])
    nn.init.ones_(bank.raw_scales)
    bank.reset_parameters()
    torch.testing.assert_close(bank.scales, torch.tensor([3.0, 1.2, 0.4]))


def test_inverse_softplus_from_tiny_to_large():
    value = torch.tensor([1e-6, 1e-3, 0.5, 3.0, 30.0, 1000.0])
    torch.testing.assert_close(nn.functional.softplus(inverse_softplus(value)), value)


def test_text_names_the_kernels_and_the_scales():
    assert repr(FilterBank(1)) == "FilterBank(ScalingFunction(), MexicanHat(), initial=(3.0, 1.0))"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_scales": -1}, "num_scales: expected an integer >= 0, got -1"),
        ({"num_scales": 0, "low_pass": False}, "num_scales=0 with low_pass=False leaves no filter"),
        ({"num_scales": 2, "scales": [1.0]}, r"scales: expected 2 values \(num_scales\), got 1"),
        ({"num_scales": 1, "scales": [0.0]}, "scales: expected positive numbers"),
        ({"low_pass_scale": -1.0}, "scales: expected positive numbers"),
        ({"kernel": "sinc"}, "kernel: expected one of"),
        ({"low_pass_kernel": "box"}, "kernel: expected one of"),
        ({"kernel": "heat"}, r"kernel: expected a kernel whose value at 0 is 0, got Heat\(\), 1 at 0"),
        ({"low_pass_kernel": "meyer"}, r"low_pass_kernel: expected a kernel whose value at 0 is 1, got Meyer\(\)"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FilterBank(**options)
