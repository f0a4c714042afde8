import pytest
import torch
import torch.nn.functional as F

from graphml.models import PolynomialEncoder
from graphml.tasks.objectives import PolyGCL


@pytest.fixture
def polynomial() -> PolynomialEncoder:
    torch.manual_seed(0)
    encoder = PolynomialEncoder(8, 5, K=3)
    torch.nn.init.uniform_(encoder.share)
    return encoder


@pytest.mark.parametrize("form", ["full", "sampled"])
def test_it_compares_both_filters_with_the_summary_of_the_embedding(polynomial, batch, sampled, seeded, form):
    data, seeds = (batch, 120) if form == "full" else (sampled, 30)
    objective = PolyGCL(polynomial)
    order = torch.randperm(data.num_nodes, generator=seeded())
    graph = (data.edge_index, data.edge_weight)
    summary = objective.bilinear.weight @ polynomial(data.x, *graph)[:seeds].mean(0)
    losses = []
    for positive, negative in zip(
        polynomial.low_high(data.x, *graph), polynomial.low_high(data.x[order], *graph), strict=True
    ):
        losses += [-F.logsigmoid(positive[:seeds] @ summary), -F.logsigmoid(-(negative[:seeds] @ summary))]
    torch.testing.assert_close(objective(polynomial, data, seeded()), torch.cat(losses).mean())


def test_an_encoder_without_two_filters_is_refused(encoder):
    with pytest.raises(ValueError, match=r"needs an encoder with a low_high method.*got Propagate"):
        PolyGCL(encoder)
