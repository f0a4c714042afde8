import pytest
import torch
import torch.nn.functional as F

from graphml.nn import Views
from graphml.tasks.objectives import InfoNCE


def dense_loss(z1: torch.Tensor, z2: torch.Tensor, tau: float) -> torch.Tensor:
    both = F.normalize(torch.cat([z1, z2]))
    similarity = (both @ both.T / tau).fill_diagonal_(float("-inf"))
    return F.cross_entropy(similarity, torch.arange(len(both)).roll(len(z1)))


def views(objective: InfoNCE, encoder, batch, generator) -> list[torch.Tensor]:
    out = []
    for drop, mask in ((0.3, 0.3), (0.4, 0.4)):
        view = Views(drop, mask).draw(batch.x, batch.edge_index, generator)
        out.append(encoder(view.x, batch.edge_index, view.edge_weight))
    return out


def test_it_is_the_dense_loss_of_projected_views(encoder, batch, seeded):
    objective = InfoNCE(encoder, projection=6, tau=0.3)
    first, second = views(objective, encoder, batch, seeded())
    expected = dense_loss(objective.projector(first), objective.projector(second), 0.3)
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)


def test_projector_has_two_layers():
    encoder = torch.nn.Identity()
    encoder.out_channels = 5
    shapes = [tuple(p.shape) for p in InfoNCE(encoder, projection=6).projector.parameters()]
    assert shapes == [(6, 5), (6,), (6, 6), (6,)]


def test_large_graphs_use_sampled_anchors_and_negatives(encoder, batch, seeded):
    objective = InfoNCE(encoder, projection=6, num_samples=20, sample_above=119)
    generator = seeded()
    first, second = views(objective, encoder, batch, generator)
    chosen = torch.randperm(120, generator=generator)[:20]
    expected = dense_loss(objective.projector(first[chosen]), objective.projector(second[chosen]), 0.5)
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)


@pytest.mark.parametrize(("sample_above", "used"), [(120, 120), (119, 20)])
def test_pairs_are_exact_up_to_the_threshold(encoder, batch, seeded, sample_above, used):
    objective = InfoNCE(encoder, num_samples=20, sample_above=sample_above)
    seen = []
    objective.projector.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    objective(encoder, batch, seeded())
    assert seen == [used, used]


def test_defaults_are_2048_above_5000_nodes(encoder):
    objective = InfoNCE(encoder)
    assert (objective.num_samples, objective.sample_above) == (2048, 5000)


def test_too_few_samples_are_refused(encoder):
    with pytest.raises(ValueError, match="num_samples: expected an integer >= 2, got 1"):
        InfoNCE(encoder, num_samples=1)


def test_noise_on_the_encoder_reaches_the_views(encoder, batch, seeded):
    plain, noisy = InfoNCE(encoder), InfoNCE(encoder, weight_noise=0.5)
    noisy.load_state_dict(plain.state_dict())
    assert not torch.equal(plain(encoder, batch, seeded()), noisy(encoder, batch, seeded()))
