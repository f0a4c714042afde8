import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_dense_adj

from graphml.models import GINGraphClassifier


@pytest.fixture
def graphs() -> list[Data]:
    """A triangle, a single node, and a path of four."""
    torch.manual_seed(0)
    edges = [[[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]], [[], []], [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]]
    sizes = [3, 1, 4]
    return [
        Data(x=torch.randn(size, 3), edge_index=torch.tensor(edge, dtype=torch.long))
        for size, edge in zip(sizes, edges, strict=True)
    ]


def logits(model: GINGraphClassifier, graphs: list[Data]) -> torch.Tensor:
    batch = Batch.from_data_list(graphs)
    return model(batch.x, batch.edge_index, batch.batch, batch.num_graphs)


@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_it_is_dense_algebra_graph_by_graph(graphs, pooling):
    model = GINGraphClassifier(3, 2, 8, num_layers=2, pooling=pooling).eval()
    rows = []
    for graph in graphs:
        matrix = to_dense_adj(graph.edge_index, max_num_nodes=graph.num_nodes)[0].T + torch.eye(graph.num_nodes)
        first, second = model.gin.layers
        h = model.embed(graph.x)
        for number, layer in enumerate((first, second)):
            h = torch.relu(h) if number else h
            h = layer.second(torch.relu(layer.norm(matrix @ layer.first(h))))
        pooled = h.sum(0) if pooling == "sum" else h.mean(0)
        rows.append(model.head(torch.relu(model.hidden(pooled))))
    torch.testing.assert_close(logits(model, graphs), torch.stack(rows), atol=1e-5, rtol=1e-5)


def test_the_order_of_the_nodes_does_not_matter(graphs):
    model = GINGraphClassifier(3, 2, 8).eval()
    order = torch.tensor([2, 0, 3, 1])
    place = order.argsort()
    turned = Data(x=graphs[2].x[order], edge_index=place[graphs[2].edge_index])
    torch.testing.assert_close(logits(model, [turned]), logits(model, [graphs[2]]), atol=1e-5, rtol=1e-5)


def test_dropout_and_reset(graphs):
    model = GINGraphClassifier(3, 2, 8, dropout=0.5)
    assert not torch.allclose(logits(model, graphs), logits(model, graphs))
    before = model.head.weight.detach().clone()
    model.reset_parameters()
    assert not torch.equal(model.head.weight, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling: expected one of sum, mean, got 'max'"),
        ({"num_layers": 0}, "num_layers: expected an integer >= 1, got 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GINGraphClassifier(3, 2, **options)
