"""One node for each utterance and modality: how MMGCN and M3Net begin."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphml.nn import DialogueGRU, SpeakerEmbedding, split_missing
from graphml.nn.modalities import check_modalities
from graphml.ops import DialogueBatch


class ModalityNodes(nn.Module):
    """Each modality's own encoder, text in context by a bidirectional GRU and the others by a linear layer.

    A missing modality goes in as 0, the mean of standardised features, so that its node still passes messages.

    Args:
        in_channels: Modalities, and the features of each.
        num_speakers: Speakers with a vector of their own, which is added to all nodes of an utterance.
        hidden_channels: Features of a node.
        dropout: Share of values dropped before and in the GRU, in [0, 1).

    Shapes:
        - **input:** a `DialogueBatch` of N utterances
        - **output:** :math:`(M N, H)`; row m N + i is utterance i in modality m, as `graphml.ops.modality_edges` has it

    Raises:
        ValueError: If the batch's modalities are not those of ``in_channels``.
    """

    def __init__(
        self, in_channels: Mapping[str, int], num_speakers: int, hidden_channels: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.in_channels = dict(in_channels)
        self.dropout = nn.Dropout(dropout)
        context = {
            name: DialogueGRU(in_channels[name], hidden_channels, num_layers=2, dropout=dropout)
            for name in in_channels
            if name == "text"
        }
        self.context = nn.ModuleDict(context)
        self.project = nn.ModuleDict(
            {
                name: nn.Linear(context[name].out_channels if name in context else channels, hidden_channels)
                for name, channels in in_channels.items()
            }
        )
        self.speakers = SpeakerEmbedding(num_speakers, hidden_channels)

    def forward(self, batch: DialogueBatch) -> Tensor:
        """Return the features of each node."""
        check_modalities(batch.features, self.in_channels)
        nodes = []
        for name, project in self.project.items():
            x = self.dropout(split_missing(batch.features[name])[0])
            if name in self.context:
                x = self.dropout(self.context[name](x, batch.lengths))
            nodes.append(project(x) + self.speakers(batch.speakers))
        return torch.cat(nodes)


def by_utterance(nodes: Tensor, num_modalities: int) -> Tensor:
    """Put the modalities of an utterance side by side.

    Args:
        nodes: ``[M N, F]`` features of each modality's utterances, the modalities end to end.
        num_modalities: M.

    Returns:
        ``[N, M F]``.
    """
    return torch.cat(nodes.chunk(num_modalities), dim=1)
