import pytest
import torch
import torch.nn.functional as F

from graphml.tasks.objectives import BGRL


def test_it_is_the_symmetric_cosine_to_the_targets_embedding_of_the_other_view(encoder, batch, seeded):
    objective = BGRL(encoder, hidden_channels=6).eval()
    torch.nn.init.normal_(objective.target.weight, generator=seeded(8))
    first, second = objective.embed(encoder, batch, seeded())
    target_first, target_second = objective.embed(objective.target, batch, seeded())  # the very same views
    expected = 2 - sum(
        F.cosine_similarity(objective.predictor(online), target).mean()
        for online, target in ((first, target_second), (second, target_first))
    )
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)


def test_target_starts_as_a_copy_and_follows_in_training_alone(encoder, batch, seeded):
    objective = BGRL(encoder, momentum=0.9)
    start = encoder.weight.detach().clone()
    assert torch.equal(objective.target.weight, start)
    assert objective.target.weight is not encoder.weight
    torch.nn.init.ones_(encoder.weight)
    objective.eval()(encoder, batch, seeded())
    assert torch.equal(objective.target.weight, start)
    objective.train()
    for step in (1, 2):
        objective(encoder, batch, seeded())
        torch.testing.assert_close(objective.target.weight, 0.9**step * start + (1 - 0.9**step))


def test_no_gradient_reaches_the_target(encoder, batch, seeded):
    objective = BGRL(encoder)
    objective(encoder, batch, seeded()).backward()
    assert not objective.target.weight.requires_grad
    assert objective.target.weight.grad is None
    assert encoder.weight.grad.any()


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_momentum_is_a_share(encoder, momentum):
    with pytest.raises(ValueError, match=r"momentum: expected a share in \[0, 1\]"):
        BGRL(encoder, momentum=momentum)
