import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric import EdgeIndex

from graphml.models import WaveletEncoder
from graphml.nn import WaveletFilter


def make(**options) -> WaveletEncoder:
    """An encoder in which every filter, weight and running statistic plays a part."""
    torch.manual_seed(1)
    encoder = WaveletEncoder(7, **({"hidden_channels": 5, "K": 4} | options))
    with torch.no_grad():
        for lin in encoder.lins:
            lin.bias.normal_()
        for layer, norm in zip(encoder.filters, encoder.norms, strict=True):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            if layer.mixing is not None:
                layer.mixing.uniform_(-1, 1)
            if norm.affine:
                norm.weight.uniform_(0.5, 2)
                norm.bias.normal_()
    return encoder


def by_the_equation(encoder: WaveletEncoder, graph) -> torch.Tensor:
    """The docstring's equation with dense filters, in evaluation mode."""
    a, b = encoder.residual, encoder.identity
    first = h = graph.x @ encoder.project.weight.T
    for layer, (wavelets, norm) in enumerate(zip(encoder.filters, encoder.norms, strict=True)):
        filtered = [graph.filter(response, h) for response in wavelets.fitted_response(graph.eigenvalues)]
        if wavelets.mixing is None:
            h = torch.cat(filtered, dim=1)
        else:
            h = (1 - a) * sum(w * f for w, f in zip(wavelets.mixing, filtered, strict=True)) + a * first
        transformed = h @ encoder.lins[layer].weight.T + encoder.lins[layer].bias if b > 0 else h
        h = transformed if b == 1 else (1 - b) * h + b * transformed
        h = (h - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        if layer < len(encoder.filters) - 1:
            h = torch.relu(h * norm.weight + norm.bias)
    return h


VARIANTS = {
    "default": {},
    "one_layer": {"num_layers": 1},
    "three_layers": {"num_layers": 3, "num_scales": 3},
    "no_residual": {"residual": 0.0},
    "filters_alone": {"identity": 0.0},
    "transformed_alone": {"identity": 1.0, "residual": 1.0},
    "band_passes_alone": {"low_pass": False, "kernel": "x_exp"},
    "concatenated": {"concat": True, "residual": 0.0, "identity": 1.0, "num_layers": 1},
    "concatenated_twice": {"concat": True, "residual": 0.0, "identity": 1.0, "num_layers": 2},
}


def test_no_weights_are_made_that_no_gradient_would_reach(graph):
    encoder = make(identity=0.0)
    encoder(graph.x, graph.edge_index, graph.edge_weight).pow(3).sum().backward()
    assert len(encoder.lins) == 0
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_the_equation_of_the_docstring(graph, variant):
    encoder = make(**VARIANTS[variant]).eval()
    encoder.set_density(graph.density)
    out = encoder(graph.x, graph.edge_index, graph.edge_weight)
    torch.testing.assert_close(out, by_the_equation(encoder, graph), atol=1e-4, rtol=1e-4)
    assert out.shape == (30, encoder.out_channels) == (30, 5)


@pytest.mark.parametrize("variant", ["default", "concatenated"])
def test_sparse_features_give_the_same_embedding_and_gradients(graph, variant):
    results = []
    for x in (graph.x, graph.x.to_sparse_csr()):
        encoder = make(**VARIANTS[variant]).eval()
        out = encoder(x, graph.edge_index, graph.edge_weight, graph.density)
        grads = torch.autograd.grad((out * torch.arange(5.0)).square().sum(), list(encoder.parameters()))
        results.append((out, *grads))
    torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)


def test_edge_index_gives_the_same_embedding(graph):
    perm = graph.edge_index[1].argsort()
    edge_index = EdgeIndex(graph.edge_index[:, perm], sparse_size=(30, 30), sort_order="col", is_undirected=True)
    encoder = make().eval()
    torch.testing.assert_close(
        encoder(graph.x, edge_index, graph.edge_weight[perm]),
        encoder(graph.x, graph.edge_index, graph.edge_weight),
        atol=1e-5,
        rtol=1e-5,
    )


def test_density_given_and_density_kept_are_the_same(graph):
    given, kept = make().eval(), make().eval()
    kept.set_density(graph.density)
    args = (graph.x, graph.edge_index, graph.edge_weight)
    assert torch.equal(given(*args, graph.density), kept(*args))
    assert not torch.allclose(given(*args), kept(*args))
    fresh = make()
    fresh.load_state_dict(kept.state_dict())
    assert all(torch.equal(layer.density, graph.density) for layer in fresh.wavelet_layers)


def test_wavelet_layers_are_readable():
    layers = make(num_layers=3, scales=[1.5, 0.5]).wavelet_layers
    assert [type(layer) for layer in layers] == [WaveletFilter] * 3
    assert layers[2].scales.tolist() == pytest.approx([3.0, 1.5, 0.5])
    assert layers[0].filter_response(torch.linspace(0, 2, 9)).shape == (3, 9)


def test_embedding_is_standardised_in_training(graph):
    out = make().train()(graph.x, graph.edge_index, graph.edge_weight)
    torch.testing.assert_close(out.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, unbiased=False), torch.ones(5), atol=0.05, rtol=0)  # BatchNorm's eps


def test_every_parameter_gets_a_gradient(graph):
    encoder = make(num_layers=3)
    encoder(graph.x, graph.edge_index, graph.edge_weight).pow(3).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_dropout_drops_in_training_alone_and_without_it_nothing_is_drawn(graph):
    args = (graph.x, graph.edge_index, graph.edge_weight)
    encoder = make(dropout=0.5)
    assert not torch.allclose(encoder(*args), encoder(*args))
    encoder.eval()
    assert torch.equal(encoder(*args), encoder(*args))
    encoder = make().train()
    state = torch.get_rng_state()
    encoder(*args)
    assert torch.equal(torch.get_rng_state(), state)


def test_reset_draws_new_weights_and_initial_scales(graph):
    encoder = make()
    nn.init.ones_(encoder.filters[0].filters.raw_scales)
    before = encoder.project.weight.detach().clone()
    encoder.reset_parameters()
    assert not torch.equal(encoder.project.weight, before)
    assert encoder.filters[0].scales.tolist() == pytest.approx([3.0, 2.0, 0.5])
    assert not encoder.norms[0].running_mean.any()


def test_it_compiles_without_a_graph_break(graph):
    encoder = make().eval()
    args = (graph.x, graph.edge_index, graph.edge_weight, graph.density)
    compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*args), encoder(*args), atol=1e-5, rtol=1e-5)


def test_learning_lowers_a_loss(graph):
    """Scales, mixing weights and weights together fit a target that is a band pass of the features."""
    target = F.normalize(graph.filter(graph.eigenvalues**2 * torch.exp(-(graph.eigenvalues**2)), graph.x)[:, :5], dim=0)
    encoder = make(num_layers=1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        out = F.normalize(encoder(graph.x, graph.edge_index, graph.edge_weight, graph.density), dim=0)
        losses.append(F.mse_loss(out, target))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "num_layers: expected an integer >= 1, got 0"),
        ({"residual": 1.5}, r"residual: expected a share in \[0, 1\], got 1.5"),
        ({"identity": -0.1}, r"identity: expected a share in \[0, 1\], got -0.1"),
        ({"concat": True}, "concat=True changes the width before W: it needs residual=0 and identity=1"),
        ({"num_scales": 0, "low_pass": False}, "leaves no filter"),
        ({"fit": "best"}, "fit: expected one of"),
        ({"K": 0}, "K: expected a polynomial degree >= 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WaveletEncoder(7, **options)
