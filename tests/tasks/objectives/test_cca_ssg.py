import pytest
import torch

from graphml.losses import cca_loss
from graphml.tasks.objectives import CCASSG


@pytest.mark.parametrize("trade_off", [0.0, 0.5])
def test_it_is_the_loss_of_the_two_views_without_a_projector(encoder, batch, seeded, trade_off):
    objective = CCASSG(encoder, trade_off=trade_off)
    assert list(objective.parameters()) == []
    expected = cca_loss(*objective.embed(encoder, batch, seeded()), trade_off)
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)
