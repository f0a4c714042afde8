"""From extracted numbers to those that a network takes: against pandas-free loops and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from graphml.data import PackedDialogues
from graphml.nn import UtteranceFeatures
from graphml.ops import DialogueBatch

NAN = float("nan")


def batch(**features: torch.Tensor) -> DialogueBatch:
    """Two dialogues; the speakers of each are 0 and 1."""
    data = PackedDialogues(torch.tensor([5, 4]), torch.tensor([0, 1, 0, 0, 1, 0, 1, 1, 1]), features)
    return data.select([0, 1])


def test_measurements_are_standardised_one_by_one() -> None:
    x = torch.randn(9, 3) * torch.tensor([1.0, 10.0, 0.1]) + 5
    layer = UtteranceFeatures({"audio": 3}, relative=[])
    layer.fit({"audio": x})
    expected = StandardScaler().fit_transform(x.numpy())
    np.testing.assert_allclose(layer(batch(audio=x))["audio"].numpy(), expected, rtol=1e-4, atol=1e-5)
    assert layer.out_channels == {"audio": 3}


def test_embeddings_keep_the_shares_of_their_directions() -> None:
    x = torch.randn(9, 3) * torch.tensor([1.0, 10.0, 0.1]) + 5
    layer = UtteranceFeatures({"text": 3})
    layer.fit({"text": x})
    out = layer(batch(text=x))["text"]
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.square().mean(), torch.tensor(1.0))
    torch.testing.assert_close(out[:, 1].std() / out[:, 0].std(), x[:, 1].std() / x[:, 0].std())


def test_relative_features_compare_with_the_speakers_own_utterances_of_the_dialogue() -> None:
    x = torch.randn(9, 2, dtype=torch.float64)
    given = batch(audio=x)
    out = UtteranceFeatures({"audio": 2}).double()(given)["audio"]
    assert torch.equal(out[:, :2], x)
    for row in range(9):
        own = [i for i in range(9) if given.batch[i] == given.batch[row] and given.speakers[i] == given.speakers[row]]
        mean, deviation = x[own].mean(0), x[own].std(0, correction=0).clamp(min=0.1)
        torch.testing.assert_close(out[row, 2:], (x[row] - mean) / deviation)
    assert (out[5, 2:] == 0).all()  # the only utterance of its speaker


def test_missing_rows_stay_missing_and_count_nowhere() -> None:
    x = torch.randn(9, 2)
    x[[1, 6]] = NAN
    layer = UtteranceFeatures({"audio": 2})
    layer.fit({"audio": x})
    out = layer(batch(audio=x))["audio"]
    assert out.isnan().any(1).tolist() == x.isnan().any(1).tolist()
    known = ~x.isnan().any(1)
    torch.testing.assert_close(layer.mean_audio, x[known].mean(0))
    torch.testing.assert_close(out[7, 2:], -out[8, 2:], rtol=1e-3, atol=1e-3)  # two of three of their speaker are there


def test_another_dialogue_in_the_batch_changes_nothing() -> None:
    x = torch.randn(9, 2)
    data = PackedDialogues(torch.tensor([5, 4]), torch.tensor([0, 1, 0, 0, 1, 0, 1, 1, 1]), {"audio": x})
    layer = UtteranceFeatures({"audio": 2})
    torch.testing.assert_close(layer(data.select([1, 0]))["audio"][:4], layer(data.select([1]))["audio"])


def test_statistics_are_in_the_state_and_wrong_features_are_refused() -> None:
    layer = UtteranceFeatures({"text": 3, "audio": 2})
    assert set(layer.state_dict()) == {"mean_text", "scale_text", "mean_audio", "scale_audio"}
    assert layer.out_channels == {"text": 3, "audio": 4}
    with pytest.raises(ValueError, match="expected the modalities text, audio, audio is missing"):
        layer(batch(text=torch.randn(9, 3)))
    with pytest.raises(ValueError, match=r"features\['audio'\]: expected training utterances that have it, got none"):
        layer.fit({"text": torch.randn(4, 3), "audio": torch.full((4, 2), NAN)})


def test_what_is_constant_in_training_is_only_centred() -> None:
    layer = UtteranceFeatures({"audio": 2}, relative=[])
    layer.fit({"audio": torch.tensor([[3.0, 0.0], [3.0, 1.0]])})
    out = layer(batch(audio=torch.full((9, 2), 3.1)))["audio"]
    torch.testing.assert_close(out[:, 0], torch.full((9,), 0.1))
