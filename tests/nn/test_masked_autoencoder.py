"""The masked graph autoencoder: what is hidden stays hidden, and what it learns can be reconstructed."""

import pytest
import torch
from torch import Tensor

from graphml.nn import MaskedGraphAutoencoder, RelationConv
from graphml.ops import dialogue_edges

LENGTHS, SPEAKERS = torch.tensor([6, 4]), torch.tensor([0, 1, 0, 1, 0, 0, 1, 1, 0, 1])
EDGES = dialogue_edges(LENGTHS, SPEAKERS)
WEIGHT = torch.ones(EDGES.relation.numel())
BATCH = torch.repeat_interleave(LENGTHS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loss(layer: MaskedGraphAutoencoder, x: Tensor, encoder, seed: int = 0) -> Tensor:
    return layer.loss(x, EDGES.edge_index, EDGES.relation, WEIGHT, encoder, generator(seed), BATCH)


def test_the_encoder_sees_tokens_and_dropped_edges() -> None:
    layer, x = MaskedGraphAutoencoder(3, 3, 5, node_rate=0.5, edge_rate=0.25, replace_rate=0.0), torch.randn(10, 3)
    torch.nn.init.constant_(layer.token, 7.0)
    seen = []

    def encoder(x: Tensor, weight: Tensor) -> Tensor:
        seen.append((x, weight))
        return x

    loss(layer, x, encoder)
    masked, left = seen[0]
    assert (masked == 7).all(1).sum() == 5
    assert torch.equal(masked[(masked != 7).all(1)], x[(masked != 7).all(1)])
    gone = set(map(tuple, EDGES.edge_index[:, left == 0].T.tolist()))
    assert all((target, source) in gone and target != source for source, target in gone)  # pairs, both directions
    assert 0.1 < len(gone) / (WEIGHT.numel() - 10) < 0.4


def test_some_masked_nodes_get_another_nodes_features() -> None:
    layer, x = MaskedGraphAutoencoder(3, 3, 5, node_rate=0.8, replace_rate=0.5), torch.randn(10, 3)
    seen = []
    loss(layer, x, lambda x, weight: seen.append(x) or x)
    token = (seen[0] == 0).all(1)
    assert token.sum() == 4
    assert all(any(torch.equal(row, other) for other in x) for row in seen[0][~token])


def test_masked_features_do_not_reach_the_reconstruction() -> None:
    """The loss changes with a hidden row only through its target: the prediction stays, so does its direction."""
    layer = MaskedGraphAutoencoder(3, 3, 5, node_rate=0.3, replace_rate=0.0)
    x = torch.randn(10, 3)
    hidden = torch.randperm(10, generator=generator())[:3]
    scaled = x.clone()
    scaled[hidden] *= 5.0  # a cosine error does not see the length of its target
    torch.testing.assert_close(loss(layer, x, lambda x, w: x), loss(layer, scaled, lambda x, w: x))
    turned = x.clone()
    turned[hidden] = torch.randn(3, 3)
    assert not torch.isclose(loss(layer, x, lambda x, w: x), loss(layer, turned, lambda x, w: x))


def test_the_same_generator_gives_the_same_loss() -> None:
    layer, x = MaskedGraphAutoencoder(3, 3, 5), torch.randn(10, 3)
    assert torch.equal(loss(layer, x, lambda x, w: x, 1), loss(layer, x, lambda x, w: x, 1))
    assert not torch.equal(loss(layer, x, lambda x, w: x, 1), loss(layer, x, lambda x, w: x, 2))


def test_negative_pairs_stay_in_the_dialogue_and_are_no_edges_of_the_relation() -> None:
    layer = MaskedGraphAutoencoder(1, 1, 5, edge_rate=0.9)
    inside = (EDGES.edge_index[0] < 6).nonzero().squeeze(1)
    hidden = torch.arange(1.0, 11.0).unsqueeze(1).requires_grad_()
    for seed in range(20):
        value = layer._edge_loss(hidden, EDGES.edge_index, EDGES.relation, inside, BATCH, generator(seed))
        (gradient,) = torch.autograd.grad(value, hidden)
        assert (gradient[6:] == 0).all()
        assert (gradient[:6] != 0).any()
    # With a single relation that joins all pairs there is nothing to tell apart.
    everything = dialogue_edges(LENGTHS, SPEAKERS, -1, -1)
    zero = torch.zeros_like(everything.relation)
    edges = (everything.edge_index[0] != everything.edge_index[1]).nonzero().squeeze(1)
    assert float(layer._edge_loss(hidden, everything.edge_index, zero, edges, BATCH, generator())) == 0


def test_it_learns_to_reconstruct() -> None:
    torch.manual_seed(0)
    basis = torch.randn(2, 4)
    x = basis[BATCH] + 0.1 * torch.randn(10, 4)  # the utterances of a dialogue are alike: neighbours tell
    layer, conv = MaskedGraphAutoencoder(4, 8, 5), RelationConv(4, 8, 5)
    optimizer = torch.optim.Adam([*layer.parameters(), *conv.parameters()], lr=0.02)

    def value(seed: int) -> Tensor:
        return loss(layer, x, lambda x, weight: conv(x, EDGES.edge_index, EDGES.relation, weight).relu(), seed)

    before = float(torch.stack([value(seed) for seed in range(1000, 1020)]).mean())
    for seed in range(150):
        optimizer.zero_grad()
        value(seed).backward()
        optimizer.step()
    after = float(torch.stack([value(seed) for seed in range(1000, 1020)]).mean())
    assert after < 0.75 * before
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_a_graph_too_small_to_mask_costs_nothing() -> None:
    layer = MaskedGraphAutoencoder(3, 3, 5)
    edges = dialogue_edges(torch.tensor([1]), torch.tensor([0]))
    value = layer.loss(torch.randn(1, 3), edges.edge_index, edges.relation, torch.ones(1), lambda x, w: x, generator())
    assert float(value) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node_rate": 0.0}, r"node_rate: expected a share in \(0, 1\), got 0.0"),
        ({"edge_rate": 1.0}, r"edge_rate: expected a share in \(0, 1\), got 1.0"),
        ({"replace_rate": 2.0}, r"replace_rate, gamma: expected a share in \[0, 1\] and at least 1, got 2.0, 2.0"),
        ({"gamma": 0.5}, "replace_rate, gamma: .* got 0.1, 0.5"),
    ],
)
def test_rates_out_of_range_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        MaskedGraphAutoencoder(3, 3, 5, **options)


def test_reset_draws_anew() -> None:
    layer = MaskedGraphAutoencoder(3, 3, 5)
    torch.nn.init.ones_(layer.token)
    before = layer.bridge.weight.clone()
    layer.reset_parameters()
    assert (layer.token == 0).all()
    assert not torch.equal(before, layer.bridge.weight)
