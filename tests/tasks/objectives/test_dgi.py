import torch
import torch.nn.functional as F

from graphml.tasks.objectives import DGI


def by_hand(objective: DGI, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    summary = torch.sigmoid(positive.mean(0))
    logits = [torch.stack([z @ objective.bilinear.weight @ summary for z in part]) for part in (positive, negative)]
    return -(F.logsigmoid(logits[0]).sum() + F.logsigmoid(-logits[1]).sum()) / (len(positive) + len(negative))


def test_it_tells_nodes_from_shuffled_ones_by_the_summary(encoder, batch, seeded):
    objective = DGI(encoder)
    order = torch.randperm(120, generator=seeded())
    graph = (batch.edge_index, batch.edge_weight)
    expected = by_hand(objective, encoder(batch.x, *graph), encoder(batch.x[order], *graph))
    torch.testing.assert_close(objective(encoder, batch, seeded()), expected)


def test_a_sampled_batch_counts_its_seeds(encoder, sampled, seeded):
    objective = DGI(encoder)
    order = torch.randperm(sampled.num_nodes, generator=seeded())
    graph = (sampled.edge_index, sampled.edge_weight)
    expected = by_hand(objective, encoder(sampled.x, *graph)[:30], encoder(sampled.x[order], *graph)[:30])
    torch.testing.assert_close(objective(encoder, sampled, seeded()), expected)
