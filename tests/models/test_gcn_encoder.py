import pytest
import torch
from torch import nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import GCNConv
from torch_geometric.utils import add_self_loops

from graphml.models import GCNEncoder, MLPEncoder
from graphml.ops import symmetric_normalize


class Reference(nn.Module):
    """PyG's GCNConv, which adds self-loops and normalises itself, on raw edges."""

    def __init__(self, encoder: GCNEncoder) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for lin in encoder.lins:
            conv = GCNConv(lin.in_features, lin.out_features, bias=False)
            conv.lin.load_state_dict(lin.state_dict())
            self.convs.append(conv)
        self.norms = nn.ModuleList(nn.BatchNorm1d(encoder.out_channels, affine=norm.affine) for norm in encoder.norms)
        self.norms.load_state_dict(encoder.norms.state_dict())

    def forward(self, x, edge_index):
        for conv, norm in zip(self.convs[:-1], self.norms[:-1], strict=True):
            x = torch.relu(norm(conv(x, edge_index)))
        return self.norms[-1](self.convs[-1](x, edge_index))


def with_self_loops(graph, sort: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0]
    if sort:
        perm = edges[1].argsort()
        edges = EdgeIndex(edges[:, perm], sparse_size=(30, 30), sort_order="col", is_undirected=True)
    return edges, symmetric_normalize(edges, None, 30)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("sort", [False, True], ids=["plain", "edge_index"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_with_self_loops_in_the_data_it_is_pygs_gcn(graph, num_layers, sort, mode):
    encoder = GCNEncoder(7, 5, num_layers)
    reference = Reference(encoder)
    for module in (encoder, reference):
        module.train(mode == "train")
    out, expected = encoder(graph.x, *with_self_loops(graph, sort)), reference(graph.x, graph.edge_index)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    out.pow(3).sum().backward()
    expected.pow(3).sum().backward()
    for lin, conv in zip(encoder.lins, reference.convs, strict=True):
        torch.testing.assert_close(lin.weight.grad, conv.lin.weight.grad, atol=1e-3, rtol=1e-3)


def test_the_mlp_is_the_same_without_the_graph(graph):
    encoder = MLPEncoder(7, 5, 2).eval()
    expected = nn.Sequential(encoder.lins[0], encoder.norms[0], nn.ReLU(), encoder.lins[1], encoder.norms[1])
    torch.testing.assert_close(encoder(graph.x, graph.edge_index, graph.edge_weight), expected(graph.x))


@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_last_normalisation_alone_is_not_affine(num_layers):
    affine = [norm.affine for norm in GCNEncoder(7, 5, num_layers).norms]
    assert affine == [True] * (num_layers - 1) + [False]


@pytest.mark.parametrize("kind", [GCNEncoder, MLPEncoder])
def test_sparse_features_give_the_same_embedding_and_gradients(graph, kind):
    encoder = kind(7, 5)
    results = []
    for x in (graph.x, graph.x.to_sparse_csr()):
        out = encoder(x, graph.edge_index, graph.edge_weight, graph.density)
        results.append((out, *torch.autograd.grad(out.pow(3).sum(), list(encoder.parameters()))))
    torch.testing.assert_close(results[1], results[0], atol=1e-3, rtol=1e-3)


def test_dropout_drops_in_training_alone(graph):
    args = (graph.x, graph.edge_index, graph.edge_weight)
    encoder = GCNEncoder(7, 5, dropout=0.5)
    assert not torch.allclose(encoder(*args), encoder(*args))
    encoder.eval()
    assert torch.equal(encoder(*args), encoder(*args))


def test_reset_draws_new_weights(graph):
    encoder = GCNEncoder(7, 5)
    before = encoder.lins[0].weight.detach().clone()
    encoder(graph.x, graph.edge_index, graph.edge_weight)
    encoder.reset_parameters()
    assert not torch.equal(encoder.lins[0].weight, before)
    assert not encoder.norms[0].running_mean.any()


@pytest.mark.parametrize("kind", [GCNEncoder, MLPEncoder])
def test_no_layers_are_refused(kind):
    with pytest.raises(ValueError, match="num_layers: expected an integer >= 1, got 0"):
        kind(7, num_layers=0)
