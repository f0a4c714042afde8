import pytest
import torch
from torch import nn
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import add_self_loops, to_dense_adj

from graphml.models import SAGE


class Reference(nn.Module):
    """PyG's SAGEConv with the weights of a model; its bias stands on the neighbours' side."""

    def __init__(self, model: SAGE) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for root, neighbor in zip(model.root_lins, model.neighbor_lins, strict=True):
            conv = SAGEConv(root.in_features, root.out_features)
            conv.lin_l.load_state_dict({"weight": neighbor.weight, "bias": root.bias})
            conv.lin_r.load_state_dict({"weight": root.weight})
            self.convs.append(conv)

    def forward(self, x, edge_index):
        for conv in self.convs[:-1]:
            x = torch.relu(conv(x, edge_index))
        return self.convs[-1](x, edge_index)


@pytest.mark.parametrize("loops", [False, True], ids=["plain", "self_loops"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_it_is_pygs_sage(graph, num_layers, loops):
    edges = add_self_loops(graph.edge_index, num_nodes=30)[0] if loops else graph.edge_index
    model = SAGE(7, 4, 5, num_layers, dropout=0.0)
    reference = Reference(model)
    out, expected = model(graph.x, edges), reference(graph.x, edges)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    out.pow(2).sum().backward()
    expected.pow(2).sum().backward()
    for root, neighbor, conv in zip(model.root_lins, model.neighbor_lins, reference.convs, strict=True):
        torch.testing.assert_close(root.weight.grad, conv.lin_r.weight.grad, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(neighbor.weight.grad, conv.lin_l.weight.grad, atol=1e-4, rtol=1e-4)


def test_one_layer_is_dense_algebra_whatever_the_weights(graph):
    model = SAGE(7, 4, num_layers=1)
    adjacency = to_dense_adj(graph.edge_index, max_num_nodes=30)[0].T
    mean = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    root, neighbor = model.root_lins[0], model.neighbor_lins[0]
    expected = graph.x @ root.weight.T + root.bias + mean @ graph.x @ neighbor.weight.T
    for edge_weight in (None, graph.edge_weight, 7 * graph.edge_weight):
        torch.testing.assert_close(model(graph.x, graph.edge_index, edge_weight), expected, atol=1e-5, rtol=1e-5)
