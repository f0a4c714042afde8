import pytest
import torch
from torch import nn
from torch_geometric import EdgeIndex
from torch_geometric.utils import erdos_renyi_graph, to_dense_adj

from graphml.models import GCNEncoder, WaveletEncoder
from graphml.nn import Views
from graphml.nn.views import drop_edges

N = 40


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def edges() -> torch.Tensor:
    """Symmetric edges in random order with two self-loops and three isolated nodes."""
    torch.manual_seed(0)
    edges = torch.cat([erdos_renyi_graph(N - 3, 0.2), torch.tensor([[0, 7], [0, 7]])], dim=1)
    return edges[:, torch.randperm(edges.size(1))]


FORMS = ["plain", "int32", "unsorted", "row", "col"]


def in_form(form: str, edges: torch.Tensor) -> torch.Tensor:
    """The same edges; an EdgeIndex is sorted by one end alone, in disorder within."""
    if form == "plain":
        return edges
    if form == "int32":
        return edges.int()
    if form == "unsorted":
        return EdgeIndex(edges, sparse_size=(N, N), is_undirected=True)
    perm = torch.argsort(edges[0 if form == "row" else 1], stable=True)
    return EdgeIndex(edges[:, perm], sparse_size=(N, N), sort_order=form, is_undirected=True)


def dense(edges: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    plain = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
    return to_dense_adj(plain.long(), edge_attr=values, max_num_nodes=N)[0]


@pytest.mark.parametrize("form", FORMS)
def test_both_directions_of_an_edge_are_dropped_together(edges, form):
    edge_index = in_form(form, edges)
    keep = drop_edges(edge_index, N, 0.5, seeded())
    assert keep.shape == (edges.size(1),)
    assert keep.dtype == torch.float32
    assert set(keep.tolist()) == {0.0, 1.0}
    kept = dense(edge_index, keep)
    assert torch.equal(kept, kept.T)


def test_self_loops_are_kept(edges):
    kept = dense(edges, drop_edges(edges, N, 0.99, seeded()))
    assert kept[0, 0] == kept[7, 7] == 1
    assert kept.sum() < 30


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.8])
def test_edges_are_dropped_with_their_probability_each_on_its_own(probability):
    torch.manual_seed(0)
    edges = erdos_renyi_graph(300, 0.3)
    pairs = edges.size(1) / 2
    first, second = (1 - drop_edges(edges, 300, probability, seeded(seed)) for seed in (1, 2))
    deviation = (probability * (1 - probability) / pairs) ** 0.5
    assert first.mean().item() == pytest.approx(probability, abs=5 * deviation)
    assert (first * second).mean().item() == pytest.approx(probability**2, abs=5 * deviation)
    degree = dense_degree(edges, first)
    assert degree.std() > 0  # not all edges of a node alike


def dense_degree(edges: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(300).index_add(0, edges[0], torch.ones(edges.size(1)))
    return torch.zeros(300).index_add(0, edges[0], dropped) / total


def test_draws_come_from_the_generator_alone(edges):
    state = torch.get_rng_state()
    first, again, other = (Views().draw(torch.ones(N, 20), edges, seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_the_normalisation_of_the_kept_graph_by_dense_algebra(edges, form):
    edge_index = in_form(form, edges)
    view = Views(edge_drop=0.7).draw(torch.ones(N, 3), edge_index, seeded())
    kept = dense(edge_index, drop_edges(edge_index, N, 0.7, seeded()))
    degree = kept.sum(1)
    scale = torch.where(degree > 0, degree.rsqrt(), 0.0)
    assert (degree == 0).any()  # some nodes lost all their edges
    torch.testing.assert_close(dense(edge_index, view.edge_weight), scale[:, None] * kept * scale)
    assert view.edge_weight.shape == (edges.size(1),)  # static shape: the edge list stays


def test_whole_features_are_masked_with_their_probability(edges):
    x = torch.rand(N, 4000) + 1
    masked = Views(feature_mask=0.3).draw(x, edges, seeded()).x
    columns = (masked == 0).all(0)
    assert torch.equal(masked == 0, columns.expand(N, -1))  # for all nodes
    assert torch.equal(masked[:, ~columns], x[:, ~columns])  # the rest is left as it is
    assert columns.float().mean().item() == pytest.approx(0.3, abs=0.04)


def test_sparse_features_give_the_same_view(edges):
    x = torch.rand(N, 30)
    x = x * (x > 0.7)
    dense_view, sparse_view = (Views().draw(features, edges, seeded()) for features in (x, x.to_sparse_csr()))
    assert sparse_view.x.layout == torch.sparse_csr
    assert torch.equal(sparse_view.x.to_dense(), dense_view.x)
    assert torch.equal(sparse_view.edge_weight, dense_view.edge_weight)


def test_without_noise_a_view_is_the_graph(edges):
    x = torch.rand(N, 5)
    view = Views(edge_drop=0, feature_mask=0).draw(x, edges, seeded())
    adjacency = to_dense_adj(edges, max_num_nodes=N)[0]
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    assert torch.equal(view.x, x)
    torch.testing.assert_close(dense(edges, view.edge_weight), scale[:, None] * adjacency * scale)


@pytest.mark.parametrize(
    "edges",
    [[[0, 1], [1, 2]], [[0, 1, 2], [1, 2, 0]], [[0, 1, 0], [1, 0, 1]]],
    ids=["path", "cycle", "one_direction_twice"],
)
@pytest.mark.parametrize("sort_order", [None, "col"])
def test_directed_edges_are_refused(edges, sort_order):
    edge_index = torch.tensor(edges)
    if sort_order:
        edge_index = EdgeIndex(edge_index[:, edge_index[1].argsort()], sparse_size=(3, 3), sort_order=sort_order)
    with pytest.raises(ValueError, match="edge_index: expected a symmetric edge list"):
        drop_edges(edge_index, 3, 0.5, seeded())


def encoder(**options) -> WaveletEncoder:
    torch.manual_seed(0)
    return WaveletEncoder(6, hidden_channels=8, num_layers=2, K=4, **options)


def embed(views: Views, model: nn.Module, edges: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return views.encode(model, torch.rand(N, 6, generator=seeded(9)), edges, None, seeded(seed))


def test_encode_without_noise_on_the_encoder_is_the_encoder_on_the_view(edges):
    model, views = encoder(), Views()
    view = views.draw(torch.rand(N, 6, generator=seeded(9)), edges, seeded())
    assert torch.equal(embed(views, model, edges), model(view.x, edges, view.edge_weight))


@pytest.mark.parametrize("noise", [{"scale_jitter": 0.3}, {"weight_noise": 0.3}], ids=["scales", "weights"])
@pytest.mark.parametrize("options", [{}, {"learn_scales": False}], ids=["learned", "fixed"])
def test_noise_changes_the_embedding_and_not_the_stored_encoder(edges, noise, options):
    model = encoder(**options).eval()
    nn.init.ones_(model.filters[0].mixing)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain, noisy = embed(Views(), model, edges), embed(Views(**noise), model, edges)
    assert not torch.allclose(plain, noisy)
    assert torch.equal(noisy, embed(Views(**noise), model, edges))  # from the generator alone
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_gradients_reach_the_stored_parameters_through_the_noise(edges):
    model = encoder()
    embed(Views(scale_jitter=0.1, weight_noise=0.1), model, edges).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_scale_jitter_is_a_log_normal_factor_and_leaves_other_weights():
    seen = []

    class Probe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.raw_scales = nn.Parameter(nn.functional.softplus(torch.zeros(20_000)))
            self.weight = nn.Parameter(torch.randn(3, 3))

        def forward(self, x, *_):
            seen.append((nn.functional.softplus(self.raw_scales).detach(), self.weight.detach()))
            return x

    probe = Probe()
    Views(scale_jitter=0.2).encode(probe, torch.ones(2, 2), torch.tensor([[0, 1], [1, 0]]), None, seeded())
    scales, weight = seen[0]
    factor = (scales / nn.functional.softplus(probe.raw_scales)).log()
    assert factor.mean().item() == pytest.approx(0, abs=0.01)
    assert factor.std().item() == pytest.approx(0.2, rel=0.05)
    assert torch.equal(weight, probe.weight)


def test_weight_noise_is_relative_to_each_matrix_and_spares_vectors_and_scales():
    seen = []

    class Probe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.raw_scales = nn.Parameter(torch.ones(3))
            self.weight = nn.Parameter(5 * torch.randn(200, 200))
            self.bias = nn.Parameter(torch.randn(200))

        def forward(self, x, *_):
            seen.extend(p.detach() for p in (self.raw_scales, self.weight, self.bias))
            return x

    probe = Probe()
    Views(weight_noise=0.1).encode(probe, torch.ones(2, 2), torch.tensor([[0, 1], [1, 0]]), None, seeded())
    raw_scales, weight, bias = seen
    assert (weight - probe.weight).std().item() == pytest.approx(0.5, rel=0.05)
    torch.testing.assert_close(raw_scales, probe.raw_scales.detach())
    assert torch.equal(bias, probe.bias)


def test_running_statistics_of_the_stored_encoder_still_follow(edges):
    model = GCNEncoder(6, 8)
    embed(Views(weight_noise=0.1), model, edges)
    assert model.norms[0].running_mean.abs().max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edge_drop": 1.0}, r"edge_drop: expected a probability in \[0, 1\), got 1.0"),
        ({"edge_drop": -0.1}, "edge_drop"),
        ({"feature_mask": float("nan")}, "feature_mask"),
        ({"scale_jitter": -0.1}, "scale_jitter: expected a standard deviation >= 0, got -0.1"),
        ({"weight_noise": -1.0}, "weight_noise"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Views(**options)
