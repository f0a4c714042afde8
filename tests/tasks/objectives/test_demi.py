import itertools

import pytest
import torch
import torch.nn.functional as F

from graphml.losses import decomposed_info_nce
from graphml.tasks.objectives import DEMI


def cosines(a, b, tau):
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / tau


def embeddings(encoder, batch, objective, generator):
    """Three encodings by hand: of the first view with half of its features, with all of them, of the second view."""
    first, second = (views.draw(batch.x, batch.edge_index, generator) for views in objective.views)
    keep = (torch.rand(batch.x.size(1), generator=generator) >= 0.5).float()
    inputs = [(first.x * keep, first), (first.x, first), (second.x, second)]
    return [encoder(x, batch.edge_index, view.edge_weight) for x, view in inputs]


def test_without_subviews_it_is_infonce_in_one_direction_up_to_a_constant(encoder, batch, seeded):
    objective = DEMI(encoder, projection=6, tau=0.3, subview_mask=())
    (first, second) = (
        encoder(view.x, batch.edge_index, view.edge_weight)
        for generator in [seeded()]
        for view in [views.draw(batch.x, batch.edge_index, generator) for views in objective.views]
    )
    scores = cosines(objective.first(first), objective.first(second), 0.3)
    expected = F.cross_entropy(scores, torch.arange(120)) - torch.log(torch.tensor(120.0))
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)


def test_it_is_the_chain_over_a_masked_subview_and_the_view(encoder, batch, seeded):
    objective = DEMI(encoder, projection=6, tau=0.4, subview_mask=(0.5,))
    half, whole, second = embeddings(encoder, batch, objective, seeded())
    scores = (
        cosines(objective.first(half), objective.first(second), 0.4),
        cosines(objective.joint[0](torch.cat([half, whole], 1)), objective.target[0](second), 0.4),
    )
    torch.testing.assert_close(objective(encoder, batch, seeded()), -decomposed_info_nce(*scores).sum())


def test_each_subview_shows_more_and_the_last_all_of_the_view(encoder, batch, seeded):
    objective = DEMI(encoder, feature_mask=(0.0, 0.0), subview_mask=(0.8, 0.5, 0.2))
    subviews, target = objective.embed_subviews(encoder, batch, seeded())
    assert [tuple(z.shape) for z in (*subviews, target)] == [(120, 5)] * 5
    shown = [x.abs().sum(0) > 0 for x in encoder.inputs[:4]]
    for fewer, more in itertools.pairwise(shown):
        assert (more >= fewer).all()
    assert shown[0].sum() < shown[3].sum()
    assert torch.equal(encoder.inputs[3], batch.x)


def test_all_heads_and_the_encoder_learn(encoder, batch, seeded):
    objective = DEMI(encoder, projection=6, subview_mask=(0.6, 0.3))
    objective(encoder, batch, seeded()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in objective.parameters())
    assert encoder.weight.grad.any()


def test_large_graphs_use_sampled_nodes_and_sampled_batches_their_seeds(encoder, batch, sampled, seeded):
    objective = DEMI(encoder, projection=6, num_samples=20, sample_above=119)
    seen = []
    objective.first.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    objective(encoder, batch, seeded())
    objective(encoder, sampled, seeded())
    assert seen == [20, 20, 30, 30]


def test_equal_seeds_give_equal_bits(encoder, batch, seeded):
    objective = DEMI(encoder)
    first, second, other = (objective(encoder, batch, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tau": 0.0}, "tau: expected a temperature > 0, got 0.0"),
        ({"num_samples": 1}, "num_samples: expected an integer >= 2, got 1"),
        ({"subview_mask": (0.2, 0.5)}, r"subview_mask: expected falling shares in \(0, 1\), got \[0.2, 0.5\]"),
        ({"subview_mask": (1.0,)}, "subview_mask: expected falling shares"),
        ({"subview_mask": (0.0,)}, "subview_mask: expected falling shares"),
        ({"subview_mask": (float("nan"),)}, "subview_mask: expected falling shares"),
    ],
)
def test_wrong_options_are_refused(encoder, options, told):
    with pytest.raises(ValueError, match=told):
        DEMI(encoder, **options)
