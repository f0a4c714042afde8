import pytest
import torch

from graphml.losses import bootstrap_loss, cca_loss, info_nce, local_global_loss, scaled_cosine_error

LOSSES = [bootstrap_loss, cca_loss, info_nce, scaled_cosine_error]


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_and_half_precision_inputs_are_computed_in_single_precision(loss):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(50, 8, generator=generator).bfloat16() for _ in range(2))
    expected = loss(first.float(), second.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(first, second), expected)
        assert torch.equal(loss(first.float(), second.float()), expected)


def test_double_precision_is_kept():
    scores = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert local_global_loss(scores, -scores).dtype == torch.float64
