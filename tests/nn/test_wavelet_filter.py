import doctest

import pytest
import torch

from graphml.nn import WaveletConv, WaveletFilter, wavelet_filter

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0, 1, 3], [1, 0, 2, 1, 3, 2, 0, 3, 3, 1]])
N = 5  # the last node has no edge


def laplacian() -> torch.Tensor:
    """PyG's: an isolated node has 1 on the diagonal."""
    adjacency = torch.zeros(N, N, dtype=torch.float64).index_put_((EDGES[1], EDGES[0]), torch.ones(10).double())
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    return torch.eye(N, dtype=torch.float64) - scale[:, None] * adjacency * scale


def dense(layer: WaveletFilter, x: torch.Tensor) -> list[torch.Tensor]:
    """The fitted polynomials of the Laplacian, by its eigenvectors."""
    values, vectors = torch.linalg.eigh(laplacian())
    responses = layer.fitted_response(values.float().clamp(0, 2)).double()
    return [(vectors @ torch.diag(response) @ vectors.T @ x.double()).float() for response in responses]


@pytest.mark.parametrize("low_pass_kernel", ["scaling", "heat"])
def test_it_is_the_weighted_sum_of_the_filters(low_pass_kernel):
    layer, x = WaveletFilter(3, K=8, low_pass_kernel=low_pass_kernel), torch.randn(N, 4)
    with torch.no_grad():
        layer.mixing.uniform_(-1, 1)
        expected = sum(weight * part for weight, part in zip(layer.mixing, dense(layer, x), strict=True))
        torch.testing.assert_close(layer(x, EDGES), expected, atol=1e-5, rtol=1e-5)


def test_concatenated_filters_stand_end_to_end():
    layer, x = WaveletFilter(2, concat=True), torch.randn(N, 4)
    torch.testing.assert_close(layer(x, EDGES), torch.cat(dense(layer, x), dim=1), atol=1e-5, rtol=1e-5)
    assert layer.mixing is None


@pytest.mark.parametrize(("in_channels", "out_channels"), [(3, 5), (5, 3)])
def test_the_convolution_is_this_filter_and_a_linear_map(in_channels, out_channels):
    conv, x = WaveletConv(in_channels, out_channels), torch.randn(N, in_channels)
    layer = WaveletFilter()
    layer.load_state_dict({name: value for name, value in conv.state_dict().items() if name in layer.state_dict()})
    expected = layer(x, EDGES) @ conv.lin.weight.T + conv.bias
    torch.testing.assert_close(conv(x, EDGES), expected, atol=1e-5, rtol=1e-5)


def test_it_has_scales_and_mixing_weights_alone_and_resets_them():
    layer = WaveletFilter(2)
    assert sum(p.numel() for p in layer.parameters()) == 6
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.3)
    layer.reset_parameters()
    assert layer.mixing.tolist() == [1, 0, 0]
    assert layer.scales.tolist() == pytest.approx([3.0, 2.0, 0.5])


def test_text_and_example():
    assert "num_scales=2, K=6" in repr(WaveletFilter())
    result = doctest.testmod(wavelet_filter)
    assert result.attempted
    assert result.failed == 0
