import pytest
import torch
from torch_geometric.nn import RGCNConv
from torch_geometric.nn.kge import DistMult as PyGDistMult

from graphml.models import DistMult, RGCNDistMult

EDGES = torch.tensor([[0, 1, 2, 3, 4, 1, 1], [1, 2, 3, 4, 0, 1, 2]])
TYPES = torch.tensor([0, 1, 2, 0, 1, 2, 0])
TRIPLES = torch.stack([EDGES[0], TYPES, EDGES[1]], 1)


def test_scores_are_pygs():
    model, reference = DistMult(6, 3, 4), PyGDistMult(6, 3, 4)
    reference.node_emb.weight, reference.rel_emb.weight = model.entity, model.relation
    torch.testing.assert_close(model(EDGES, TYPES, TRIPLES), reference(*TRIPLES.T))


@pytest.mark.parametrize("make", [DistMult, RGCNDistMult])
def test_all_completions_have_the_scores_of_their_triples(make):
    model = make(6, 3, 4).eval()
    z = model.embed(EDGES, TYPES)
    head, relation, tail = TRIPLES.T
    tails, heads = model.score_tails(z, head, relation), model.score_heads(z, relation, tail)
    for entity in range(6):
        other = torch.full_like(head, entity)
        as_tail, as_head = torch.stack([head, relation, other], 1), torch.stack([other, relation, tail], 1)
        torch.testing.assert_close(tails[:, entity], model(EDGES, TYPES, as_tail))
        torch.testing.assert_close(heads[:, entity], model(EDGES, TYPES, as_head))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_encoder_is_pygs_rgcn_with_inverse_relations(num_layers):
    model = RGCNDistMult(6, 3, 4, num_layers, num_bases=2, dropout=0.0)
    x = model.entity
    edges, types = torch.cat([EDGES, EDGES.flip(0)], 1), torch.cat([TYPES, TYPES + 3])
    for number, layer in enumerate(model.layers):
        conv = RGCNConv(4, 4, 6, num_bases=2)
        conv.load_state_dict(layer.state_dict())
        x = conv(torch.relu(x) if number else x, edges, types)
    torch.testing.assert_close(model.embed(EDGES, TYPES), x)


def test_entities_without_triples_and_graphs_without_edges_are_fine():
    model = RGCNDistMult(6, 3, 4)
    none = torch.zeros(2, 0, dtype=torch.long)
    assert model.embed(none, none[0]).isfinite().all()


def test_dropout_and_reset():
    model = RGCNDistMult(6, 3, 4, dropout=0.5)
    assert not torch.equal(model.embed(EDGES, TYPES), model.embed(EDGES, TYPES))
    before = {name: value.clone() for name, value in model.state_dict().items() if "bias" not in name}
    model.reset_parameters()
    assert all(not torch.equal(model.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("make", [DistMult, RGCNDistMult])
@pytest.mark.parametrize("name", ["num_entities", "num_relations", "hidden_channels"])
def test_wrong_sizes_are_refused(make, name):
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
        make(**({"num_entities": 6, "num_relations": 3} | {name: 0}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "num_layers: expected an integer >= 1, got 0"),
        ({"num_bases": 0}, "num_bases: expected an integer >= 1, got 0"),
        ({"dropout": 1.0}, r"dropout: expected a probability in \[0, 1\), got 1.0"),
    ],
)
def test_wrong_options_of_the_encoder_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RGCNDistMult(6, 3, **options)
