"""What every model of conversations keeps: shapes, dialogues apart from each other, missing modalities, gradients."""

import dataclasses

import pytest
import torch
from torch import nn

from graphml.data import PackedDialogues
from graphml.models import COGMEN, DERGCN, MMGCN, BiGRU, DialogueGCN, M3Net, UtteranceClassifier
from graphml.ops import DialogueBatch

MODELS = (UtteranceClassifier, BiGRU, DialogueGCN, MMGCN, COGMEN, M3Net, DERGCN)
MODALITIES = {"text": 6, "audio": 3}

every_model = pytest.mark.parametrize("factory", MODELS, ids=lambda factory: factory.__name__)


def dialogues(modalities: dict[str, int]) -> PackedDialogues:
    """Dialogues of 4, 1, 13 and 7 utterances; the window of 10 does not cover the longest."""
    lengths = torch.tensor([4, 1, 13, 7])
    speakers = torch.tensor([0, 1, 1, 0] + [0] + [0, 1, 2] * 4 + [0] + [0, 0, 1, 1, 0, 1, 0])
    features = {name: torch.randn(25, width) for name, width in modalities.items()}
    return PackedDialogues(lengths, speakers, features)


def build(factory: type[nn.Module], modalities: dict[str, int] = MODALITIES) -> nn.Module:
    return factory(modalities, 5, 3, hidden_channels=8).eval()


@every_model
@pytest.mark.parametrize("names", [("text", "audio"), ("text",), ("audio",)], ids="+".join)
def test_logits_of_each_utterance_from_any_modalities(factory: type[nn.Module], names: tuple[str, ...]) -> None:
    modalities = {name: MODALITIES[name] for name in names}
    model, batch = build(factory, modalities), dialogues(modalities).select(range(4))
    logits = model(batch)
    assert logits.shape == (25, 5)
    assert torch.equal(logits, model(batch))
    assert model.train()(batch).isfinite().all()


@every_model
def test_company_does_not_change_a_dialogue(factory: type[nn.Module]) -> None:
    model, data = build(factory), dialogues(MODALITIES)
    together = model(data.select([2, 0, 3, 1]))
    alone = torch.cat([model(data.select([number])) for number in (2, 0, 3, 1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@every_model
def test_gradients_stay_within_a_dialogue(factory: type[nn.Module]) -> None:
    batch = dialogues(MODALITIES).select(range(4))
    features = {name: x.requires_grad_() for name, x in batch.features.items()}
    build(factory)(batch)[batch.batch == 2].square().sum().backward()
    for x in features.values():
        assert x.grad is not None
        assert (x.grad[batch.batch != 2] == 0).all()
        assert (x.grad[batch.batch == 2] != 0).any(dim=1).all()


@pytest.mark.parametrize("factory", MODELS[:-1], ids=lambda factory: factory.__name__)
def test_a_missing_modality_counts_as_the_mean(factory: type[nn.Module]) -> None:
    model, data = build(factory), dialogues(MODALITIES)
    batch = data.select(range(4))
    batch.features["audio"][[0, 4, 10]] = torch.nan
    missing = model(batch)
    batch.features["audio"][[0, 4, 10]] = 0
    assert missing.isfinite().all()
    torch.testing.assert_close(missing, model(batch))


@every_model
def test_gradients_reach_every_parameter(factory: type[nn.Module]) -> None:
    model = build(factory)
    if isinstance(model, DERGCN):
        torch.nn.init.normal_(model.transformer.query.weight)  # 0 at the start, where the encoder has no say yet
    model(dialogues(MODALITIES).select(range(4))).square().sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()}
    in_training_alone = {name for name in without if name.startswith(("autoencoder.", "projection."))}  # DER-GCN's
    assert without == in_training_alone


@every_model
def test_missing_gradients_are_finite(factory: type[nn.Module]) -> None:
    model, batch = build(factory).train(), dialogues(MODALITIES).select(range(4))
    batch.features["text"][:] = torch.nan
    batch.features["audio"][5] = torch.nan
    model(batch).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@every_model
def test_another_modality_is_refused(factory: type[nn.Module]) -> None:
    batch = dialogues({"text": 6}).select([0])
    with pytest.raises(ValueError, match="expected the modalities text, audio, audio is missing"):
        build(factory)(batch)


@pytest.mark.parametrize("factory", MODELS[1:], ids=lambda factory: factory.__name__)
def test_who_speaks_matters_and_more_speakers_than_known_count_as_the_last(factory: type[nn.Module]) -> None:
    model, batch = build(factory), dialogues(MODALITIES).select(range(4))

    def logits(speakers: torch.Tensor) -> torch.Tensor:
        other: DialogueBatch = dataclasses.replace(batch, speakers=speakers)
        out: torch.Tensor = model(other)
        return out

    assert not torch.allclose(logits(batch.speakers), logits(torch.zeros_like(batch.speakers)))
    many = torch.where(batch.speakers == 2, 7, batch.speakers)
    torch.testing.assert_close(logits(many), logits(batch.speakers))
