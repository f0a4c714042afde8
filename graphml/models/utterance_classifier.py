"""Emotions from each utterance alone: the linear control of every model of conversations."""

from collections.abc import Mapping

from torch import Tensor, nn

from graphml.nn import concatenate_modalities
from graphml.ops import DialogueBatch


class UtteranceClassifier(nn.Module):
    """Logistic regression on an utterance's features, without context and without its speaker.

    What the features alone give: on all-MiniLM-L6-v2 embeddings and 9 prosodic features scikit-learn's measures a
    weighted F1 of 50.7 on IEMOCAP (6 classes), on the embeddings alone 56.5 on MELD (7 classes).

    Args:
        in_channels: Modalities, and the features of each.
        num_classes: Number of emotions.
        num_speakers: Taken and ignored, as ``hidden_channels`` is: every model of conversations is made alike.
        hidden_channels: See ``num_speakers``.
        dropout: Share of the features dropped, in [0, 1).

    Shapes:
        - **input:** a `DialogueBatch` of N utterances
        - **output:** logits :math:`(N, C)`

    Raises:
        ValueError: If the batch's modalities are not those of ``in_channels``.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        num_classes: int,
        num_speakers: int,
        hidden_channels: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = dict(in_channels)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(sum(in_channels.values()), num_classes))

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Return the logits of each utterance."""
        logits: Tensor = self.classify(concatenate_modalities(batch.features, self.in_channels))
        return logits
