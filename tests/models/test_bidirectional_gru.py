"""The recurrent rival and the linear control, from their parts."""

import torch

from graphml.data.samples import synthetic_dialogues
from graphml.models import BiGRU, UtteranceClassifier

CHANNELS = {"text": 5, "audio": 3}


def test_the_gru_reads_features_and_speaker_of_each_dialogue_alone() -> None:
    model = BiGRU(CHANNELS, 6, 2, hidden_channels=4).eval()
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0, 1])
    x = torch.cat([batch.features["text"], batch.features["audio"], model.speakers.weight[batch.speakers]], dim=1)
    context = torch.cat([model.context.gru(part[None])[0][0] for part in x.split(batch.lengths.tolist())])
    torch.testing.assert_close(model(batch), model.classify(context))


def test_the_classifier_sees_nothing_but_the_utterance() -> None:
    model = UtteranceClassifier(CHANNELS, 6, 2)
    batch = synthetic_dialogues("IEMOCAP", CHANNELS).select([0])
    linear = model.classify[1]
    expected = torch.cat([batch.features["text"], batch.features["audio"]], dim=1) @ linear.weight.t() + linear.bias
    torch.testing.assert_close(model(batch), expected)
