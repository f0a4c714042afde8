import copy
import doctest
import io
import os
import shutil

import pytest
import torch
import torch_geometric.nn
from torch import nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import ChebConv
from torch_geometric.utils import erdos_renyi_graph, get_laplacian, to_dense_adj

from graphml.nn import WaveletConv, wavelet_conv
from graphml.ops import symmetric_normalize
from graphml.spectral import GRID_SIZE, Meyer, SpectralDensity

N = 24


@pytest.fixture
def edges() -> torch.Tensor:
    """Symmetric edges in random order; the last two nodes are isolated."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(N - 2, 0.2)
    return edges[:, torch.randperm(edges.size(1))]


@pytest.fixture
def density(edges) -> torch.Tensor:
    return SpectralDensity.estimate(edges, N).on_grid()


def by_target(edges: torch.Tensor) -> EdgeIndex:
    edge_index = EdgeIndex(edges[:, edges[1].argsort()], sparse_size=(N, N), sort_order="col", is_undirected=True)
    return edge_index.fill_cache_()


def eigen(edges: torch.Tensor, weight: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and eigenvectors of PyG's normalised Laplacian."""
    indices, values = get_laplacian(edges, weight, normalization="sym", dtype=torch.float64, num_nodes=N)
    eigenvalues, vectors = torch.linalg.eigh(to_dense_adj(indices, edge_attr=values, max_num_nodes=N)[0])
    return eigenvalues.clamp(0, 2).float(), vectors.float()


def make(*args, **options) -> WaveletConv:
    """A layer in which every filter, weight and bias plays a part."""
    torch.manual_seed(1)
    conv = WaveletConv(*args, **options)
    with torch.no_grad():
        if conv.mixing is not None:
            conv.mixing.uniform_(-1, 1)
        if conv.bias is not None:
            conv.bias.normal_()
    return conv


def dense_output(conv: WaveletConv, responses: torch.Tensor, vectors: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Filter by eigenvectors, then mix or concatenate, then transform."""
    filtered = [vectors @ (response[:, None] * (vectors.T @ x)) for response in responses]
    joined = (
        torch.cat(filtered, dim=1)
        if conv.mixing is None
        else sum(w * f for w, f in zip(conv.mixing, filtered, strict=True))
    )
    out = joined @ conv.lin.weight.T
    return out if conv.bias is None else out + conv.bias


VARIANTS = {
    "wider": {"in_channels": 3, "out_channels": 5},
    "narrower": {"in_channels": 5, "out_channels": 3},
    "concatenated": {"in_channels": 3, "out_channels": 4, "concat": True},
    "no_low_pass": {"in_channels": 3, "out_channels": 4, "low_pass": False},
    "low_pass_alone": {"in_channels": 3, "out_channels": 4, "num_scales": 0},
    "no_bias": {"in_channels": 3, "out_channels": 4, "bias": False},
    "x_exp": {"in_channels": 3, "out_channels": 4, "kernel": "x_exp", "num_scales": 4},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_high_degree_equals_filtering_by_eigenvectors_with_the_exact_filters(edges, variant):
    conv = make(**VARIANTS[variant], K=40)
    x = torch.randn(N, conv.in_channels)
    eigenvalues, vectors = eigen(edges)
    expected = dense_output(conv, conv.filter_response(eigenvalues), vectors, x)
    torch.testing.assert_close(conv(x, edges), expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("fit", ["weighted", "plain", "chebyshev"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_degree_equals_filtering_by_eigenvectors_with_the_fitted_filters(edges, density, variant, fit):
    conv = make(**VARIANTS[variant], K=3, fit=fit, density=density)
    x = torch.randn(N, conv.in_channels)
    eigenvalues, vectors = eigen(edges)
    expected = dense_output(conv, conv.fitted_response(eigenvalues), vectors, x)
    torch.testing.assert_close(conv(x, edges), expected, atol=1e-4, rtol=1e-4)


def test_with_its_coefficients_pygs_chebconv_gives_the_same(edges, density):
    conv, cheb = make(3, 5, K=6, density=density), ChebConv(3, 5, K=7)
    coefficients = torch.linalg.lstsq(
        torch.cos(torch.arange(7) * torch.linspace(0.1, 3, 50)[:, None]),
        (conv.mixing @ conv.fitted_response(1 + torch.cos(torch.linspace(0.1, 3, 50))))[:, None],
    ).solution.squeeze()
    with torch.no_grad():
        cheb.bias.copy_(conv.bias)
        for c, lin in zip(coefficients, cheb.lins, strict=True):
            lin.weight.copy_(c * conv.lin.weight)
    x = torch.randn(N, 3)
    weight = torch.rand(N, N)
    weight = (weight + weight.T)[edges[0], edges[1]]
    for edge_weight in (None, weight):
        expected = cheb(x, edges, edge_weight, lambda_max=2.0)
        torch.testing.assert_close(conv(x, edges, edge_weight), expected, atol=1e-4, rtol=1e-4)


def test_it_drops_in_where_chebconv_stands(edges):
    for layer in (ChebConv, WaveletConv):
        model = torch_geometric.nn.Sequential(
            "x, edge_index, edge_weight",
            [
                (layer(3, 8, K=3), "x, edge_index, edge_weight -> x"),
                nn.ReLU(),
                (layer(8, 2, K=3), "x, edge_index -> x"),
            ],
        )
        assert model(torch.randn(N, 3), edges, torch.ones(edges.size(1))).shape == (N, 2)
        model.reset_parameters()


@pytest.mark.parametrize("concat", [False, True])
def test_every_form_of_edge_list_and_ready_weights_give_the_same(edges, concat):
    conv, x = make(3, 4, concat=concat), torch.randn(N, 3)
    expected = conv(x, edges)
    for form in (edges.int(), EdgeIndex(edges, sparse_size=(N, N)), by_target(edges)):
        torch.testing.assert_close(conv(x, form), expected)
    ready = make(3, 4, concat=concat, normalize=False)
    ready.load_state_dict(conv.state_dict())
    for form in (edges, by_target(edges)):
        torch.testing.assert_close(ready(x, form, symmetric_normalize(form, None, N)), expected)


def test_renaming_nodes_renames_the_output(edges):
    conv, x, name = make(3, 4), torch.randn(N, 3), torch.randperm(N)
    out = torch.empty(N, 4)
    out[name] = conv(x, edges)
    moved = torch.empty(N, 3)
    moved[name] = x
    torch.testing.assert_close(conv(moved, name[edges]), out, atol=1e-5, rtol=1e-5)


def test_a_graph_without_edges_is_scaled_by_the_response_at_one():
    conv, x = make(3, 4), torch.randn(5, 3)
    response = conv.mixing @ conv.fitted_response(torch.ones(1))
    expected = response * x @ conv.lin.weight.T + conv.bias
    torch.testing.assert_close(conv(x, torch.zeros(2, 0, dtype=torch.long)), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_of_scales_and_of_everything_else_by_finite_differences(edges, density, variant):
    conv = make(**VARIANTS[variant], K=3, normalize=False, density=density).double()
    weight = symmetric_normalize(edges, torch.ones(edges.size(1), dtype=torch.float64), N)
    names = [name for name, _ in conv.named_parameters()]
    assert any(name.endswith("raw_scales") for name in names)

    def out(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        values = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(conv, values, (x, edges, weight))[:4]

    x = torch.randn(N, conv.in_channels, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(out, (x, *(p.detach().clone().requires_grad_() for p in conv.parameters())))


def test_weights_that_are_learned_get_their_gradient(edges):
    conv = make(3, 4, K=3, normalize=False).double()
    weight = symmetric_normalize(edges, torch.ones(edges.size(1), dtype=torch.float64), N).requires_grad_()
    x = torch.randn(N, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda w: conv(x, edges, w), (weight,))


def test_fixed_scales_are_not_learned(edges):
    conv = make(3, 4, learn_scales=False)
    conv(torch.randn(N, 3), edges).sum().backward()
    assert not any(name.endswith("raw_scales") for name, _ in conv.named_parameters())
    assert conv.scales.tolist() == pytest.approx([3.0, 2.0, 0.5])


def test_band_passes_start_silent_beside_a_low_pass():
    assert WaveletConv(3, 4, num_scales=3).mixing.tolist() == [1, 0, 0, 0]
    assert WaveletConv(3, 4, num_scales=4, low_pass=False).mixing.tolist() == [0.25] * 4
    assert WaveletConv(3, 4, concat=True).mixing is None


def test_scales_and_responses_are_readable(density):
    conv = make(3, 4, num_scales=2, K=12, low_pass_scale=5.0, scales=[1.5, 0.5], density=density)
    lam = torch.linspace(0, 2, 50)
    assert conv.scales.tolist() == pytest.approx([5.0, 1.5, 0.5])
    exact, fitted = conv.filter_response(lam), conv.fitted_response(lam)
    assert exact.shape == fitted.shape == (3, 50)
    torch.testing.assert_close(exact[0], 1 / (1 + 5 * lam))
    assert (exact - fitted).abs().max() < 0.05
    assert make(3, 4, kernel=Meyer()).filter_response(lam).shape == (3, 50)


def test_density_is_a_buffer_that_an_argument_overrides(edges, density):
    x = torch.randn(N, 3)
    plain, given = make(3, 4, K=2), make(3, 4, K=2, density=density)
    torch.testing.assert_close(plain(x, edges), make(3, 4, K=2, fit="plain")(x, edges))  # the default is no density
    assert not torch.allclose(plain(x, edges), given(x, edges))
    torch.testing.assert_close(plain(x, edges, density=density), given(x, edges))
    plain.set_density(density)
    assert torch.equal(plain(x, edges), given(x, edges))
    other = WaveletConv(3, 4, K=2)
    other.load_state_dict(given.state_dict())
    assert torch.equal(other(x, edges), given(x, edges))
    given.reset_parameters()
    assert torch.equal(given.density, density)


def test_a_copy_and_a_saved_layer_are_the_same_layer(edges, density):
    conv, x = make(3, 4, density=density), torch.randn(N, 3)
    file = io.BytesIO()
    torch.save(conv.state_dict(), file)
    file.seek(0)
    loaded = WaveletConv(3, 4)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(loaded(x, edges), conv(x, edges))
    assert torch.equal(copy.deepcopy(conv)(x, edges), conv(x, edges))


def count_products(monkeypatch) -> list[int]:
    """Every sparse product of the layer is one embedding_bag."""
    calls: list[int] = []
    product = nn.functional.embedding_bag

    def counted(*args, **options):
        calls.append(1)
        return product(*args, **options)

    monkeypatch.setattr(nn.functional, "embedding_bag", counted)
    return calls


@pytest.mark.parametrize("concat", [False, True])
@pytest.mark.parametrize("num_scales", [1, 2, 4])
def test_number_of_sparse_products_is_the_degree_whatever_the_number_of_scales(edges, monkeypatch, num_scales, concat):
    conv, x = make(3, 4, num_scales=num_scales, K=7, concat=concat), torch.randn(N, 3)
    calls = count_products(monkeypatch)
    out = conv(x, edges)
    assert len(calls) == 7
    out.sum().backward()
    assert len(calls) <= 2 * 7


@pytest.mark.parametrize("out_channels", [2, 10])
def test_a_sum_is_filtered_in_the_smaller_width(edges, monkeypatch, out_channels):
    widths = set()
    product = nn.functional.embedding_bag
    monkeypatch.setattr(
        nn.functional, "embedding_bag", lambda i, x, *a, **o: widths.add(x.size(1)) or product(i, x, *a, **o)
    )
    make(5, out_channels)(torch.randn(N, 5), edges)
    assert widths == {min(5, out_channels)}


@pytest.mark.parametrize(
    ("form", "backend", "concat"),
    [
        ("plain", "inductor", False),
        ("plain", "aot_eager", True),
        ("edge_index", "aot_eager", False),
        ("edge_index", "aot_eager", True),
    ],
)
def test_it_compiles_without_a_graph_break_forward_and_backward(edges, density, form, backend, concat):
    if backend == "inductor" and not shutil.which(os.environ.get("CXX", "g++")):
        pytest.skip("inductor needs a C++ compiler")
    torch._dynamo.reset()
    edge_index = edges if form == "plain" else by_target(edges)
    weight = symmetric_normalize(edge_index, None, N)
    conv = make(3, 4, K=4, concat=concat, normalize=False, density=density)
    inputs = [torch.randn(N, 3, requires_grad=True), *conv.parameters()]
    compiled = torch.compile(conv, fullgraph=True, backend=backend)
    ours, eager = compiled(inputs[0], edge_index, weight), conv(inputs[0], edge_index, weight)
    torch.testing.assert_close(ours, eager, atol=1e-5, rtol=1e-5)
    direction = torch.randn(N, 4)
    torch.testing.assert_close(
        torch.autograd.grad((ours * direction).sum(), inputs),
        torch.autograd.grad((eager * direction).sum(), inputs),
        atol=1e-4,
        rtol=1e-4,
    )


def test_double_precision_and_autocast(edges, density):
    conv, x = make(3, 4, density=density), torch.randn(N, 3)
    expected = conv(x, edges)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x, edges)
        out.sum().backward()
    torch.testing.assert_close(out.float(), expected, atol=0.1, rtol=0.1)
    assert all(p.grad.isfinite().all() for p in conv.parameters())
    double = copy.deepcopy(conv).double()(x.double(), edges)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_module_in_half_precision_has_the_same_polynomials(edges, density, dtype):
    conv, x = make(3, 4, density=density), torch.randn(N, 3)
    half = copy.deepcopy(conv).to(dtype)
    lam = torch.linspace(0, 2, 9)
    torch.testing.assert_close(half.fitted_response(lam), conv.fitted_response(lam), atol=0.02, rtol=0.02)
    out = half(x.to(dtype), edges)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), conv(x, edges), atol=0.1, rtol=0.1)


def test_autocast_leaves_the_polynomials_alone(edges, density):
    conv = make(3, 4, density=density)
    with torch.autocast("cpu", torch.bfloat16):
        coefficients = conv._coefficients(None)
    assert torch.equal(coefficients, conv._coefficients(None))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"x": torch.ones(3, dtype=torch.long)}, r"x: expected floating node features \[N, F\], got torch.int64"),
        ({"x": torch.randn(2, N, 3)}, "x: expected floating node features"),
        ({"edge_index": torch.zeros(3, 5, dtype=torch.long)}, r"edge_index: expected \[2, E\], got shape \(3, 5\)"),
        ({"edge_index": torch.eye(N).to_sparse_csr()}, "edge_index: .*to_edge_index"),
        (
            {"edge_weight": torch.ones(3)},
            r"edge_weight: expected floating weights \[\d+\], one an edge, got torch.float32",
        ),
        ({"edge_weight": "integers"}, "edge_weight: expected floating weights"),
    ],
)
def test_wrong_inputs_are_named(edges, wrong, match):
    if wrong.get("edge_weight") == "integers":
        wrong = {"edge_weight": torch.ones(edges.size(1), dtype=torch.long)}
    with pytest.raises(ValueError, match=match):
        make(3, 4)(**({"x": torch.randn(N, 3), "edge_index": edges} | wrong))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("concat", [False, True])
@pytest.mark.parametrize("form", ["plain", "edge_index"])
def test_cuda_gives_the_same(edges, density, form, concat):
    edge_index = edges if form == "plain" else by_target(edges)
    conv, x = make(3, 4, density=density, concat=concat), torch.randn(N, 3)
    expected = conv(x, edge_index)
    expected.square().sum().backward()
    moved = make(3, 4, density=density, concat=concat).cuda()
    out = moved(x.cuda(), edge_index.cuda())
    out.square().sum().backward()
    torch.testing.assert_close(out.cpu(), expected, atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(moved.parameters(), conv.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.cpu(), theirs.grad, atol=1e-3, rtol=1e-3)


def test_text_and_example():
    assert repr(WaveletConv(4, 8)) == "WaveletConv(4, 8, num_scales=2, K=6)"
    assert repr(WaveletConv(4, 8, num_scales=3, low_pass=False)) == "WaveletConv(4, 8, num_scales=3, K=6)"
    result = doctest.testmod(wavelet_conv)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"K": 0}, "K: expected a polynomial degree >= 1, got 0"),
        ({"num_scales": 0, "low_pass": False}, "num_scales=0 with low_pass=False leaves no filter"),
        ({"num_scales": -1}, "num_scales: expected an integer >= 0"),
        ({"kernel": "sinc"}, "kernel: expected one of"),
        ({"fit": "best"}, "fit: expected one of"),
        ({"scales": [1.0]}, "scales: expected 2 values"),
        ({"density": torch.ones(10)}, r"density: expected shape \(256,\), got \(10,\)"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WaveletConv(3, 4, **options)


def test_wrong_density_is_refused_later_too(edges):
    conv = WaveletConv(3, 4)
    with pytest.raises(ValueError, match=r"density: expected shape \(256,\)"):
        conv.set_density(torch.ones(GRID_SIZE + 1))
    with pytest.raises(ValueError, match=r"density: expected shape \(256,\)"):
        conv(torch.randn(N, 3), edges, density=torch.ones(GRID_SIZE + 1))
