"""The slow rival of the benchmark computes what our DialogueGCN computes."""

from pathlib import Path

import pytest
import torch

from graphml.bench.command import load
from graphml.data.samples import synthetic_dialogues
from graphml.models import DialogueGCN

BENCHMARK = load(Path(__file__).resolve().parents[2] / "experiments" / "benchmarks" / "dialogue_gcn.py")


@pytest.mark.parametrize("window", [(10, 10), (2, 5), (-1, 0)], ids=str)
def test_the_loops_give_the_same_logits_and_gradients(window: tuple[int, int]) -> None:
    channels = {"text": 5, "audio": 3}
    batch = synthetic_dialogues("IEMOCAP", channels).select([3, 8])
    model = DialogueGCN(channels, 6, 2, hidden_channels=8, past=window[0], future=window[1]).eval()
    logits, expected = model(batch), BENCHMARK.LoopedDialogueGCN(model)(batch)
    torch.testing.assert_close(logits, expected)
    direction, parameters = torch.randn_like(logits), list(model.parameters())
    torch.testing.assert_close(
        torch.autograd.grad((logits * direction).sum(), parameters),
        torch.autograd.grad((expected * direction).sum(), parameters),
        rtol=1e-4,
        atol=1e-4,
    )
