"""What holds for every objective, and what two-view objectives share."""

import copy

import pytest
import torch

from graphml.nn import Views
from graphml.tasks.objectives.objective import TwoViewObjective, corrupt


def make(pair):
    torch.manual_seed(0)
    encoder = pair[0](8)
    return encoder, pair[1](encoder)


def test_loss_comes_from_the_generator_alone(pair, batch, seeded):
    encoder, objective = make(pair)
    encoder.eval()
    objective.eval()
    state = torch.get_rng_state()
    first, again, other = (objective(encoder, batch, seeded(seed)) for seed in (0, 0, 1))
    assert first.shape == ()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_sparse_features_give_the_same_loss_and_gradients(pair, batch, seeded):
    sparse = batch.clone()
    sparse.x = batch.x.to_sparse_csr()
    results = []
    for data in (batch, sparse):
        encoder, objective = make(pair)
        encoder.eval()  # BatchNorm on few values would magnify rounding
        objective.eval()
        loss = objective(encoder, data, seeded())
        results.append((loss, *torch.autograd.grad(loss, list(encoder.parameters()), allow_unused=True)))
    torch.testing.assert_close(results[1][0], results[0][0])
    for ours, expected in zip(results[1][1:], results[0][1:], strict=True):
        assert (ours is None) == (expected is None)
        if ours is not None:
            torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_encoder_and_heads_get_gradients(pair, batch, seeded):
    encoder, objective = make(pair)
    objective(encoder, batch, seeded()).backward()
    heads = [p for p in objective.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in heads)
    weights = [p for name, p in encoder.named_parameters() if "project" in name and "weight" in name]
    assert weights
    assert all(p.grad.any() for p in weights)


def test_a_graph_without_a_density_is_taken(pair, batch, seeded):
    bare = batch.clone()
    del bare.density
    encoder, objective = make(pair)
    assert objective(encoder, bare, seeded()).isfinite()


def test_the_encoder_is_not_a_part_of_the_objective(pair):
    encoder, objective = make(pair)
    own = {id(p) for p in encoder.parameters()}
    assert not own & {id(p) for p in objective.parameters()}


def test_state_is_restored(pair, batch, seeded):
    encoder, objective = make(pair)
    objective(encoder, batch, seeded())
    other = pair[1](copy.deepcopy(encoder))
    other.load_state_dict(objective.state_dict())
    for module in (encoder, objective, other):
        module.eval()
    assert torch.equal(objective(encoder, batch, seeded()), other(encoder, batch, seeded()))


def test_two_views_are_drawn_one_after_the_other_with_their_own_options(encoder, batch, seeded):
    objective = TwoViewObjective(encoder, (0.1, 0.6), (0.0, 0.5))
    first, second = objective.embed(encoder, batch, seeded())
    generator = seeded()
    for ours, (drop, mask) in zip((first, second), ((0.1, 0.0), (0.6, 0.5)), strict=True):
        view = Views(drop, mask).draw(batch.x, batch.edge_index, generator)
        torch.testing.assert_close(ours, encoder(view.x, batch.edge_index, view.edge_weight))


def test_embeddings_of_a_sampled_batch_are_those_of_its_seeds(encoder, sampled, seeded):
    first, second = TwoViewObjective(encoder).embed(encoder, sampled, seeded())
    assert sampled.num_nodes > 30
    assert first.shape == second.shape == (30, 5)


def test_each_view_needs_both_options(encoder):
    with pytest.raises(ValueError, match="zip"):
        TwoViewObjective(encoder, (0.1, 0.2), (0.3,))
    with pytest.raises(ValueError, match="edge_drop: expected a probability"):
        TwoViewObjective(encoder, (0.1, 1.0), (0.3, 0.3))


def test_corruption_is_a_permutation_of_whole_rows(batch, seeded):
    x, shuffled = corrupt(batch.x, seeded())
    assert x is batch.x
    assert not torch.equal(shuffled, x)
    assert sorted(map(tuple, shuffled.tolist())) == sorted(map(tuple, x.tolist()))
    dense, from_sparse = corrupt(batch.x.to_sparse_csr(), seeded())
    assert torch.equal(dense, x)
    assert torch.equal(from_sparse, shuffled)
