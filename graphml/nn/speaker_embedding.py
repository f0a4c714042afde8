"""A learned vector for each speaker of a dialogue."""

import torch
from torch import Tensor, nn


class SpeakerEmbedding(nn.Module):
    """A vector for the first speaker of a dialogue, one for the second, and so on.

    Speakers are numbered in the order in which a dialogue's speakers come in, so the vector tells who is who in a
    dialogue, and not a person: nothing is learned about people, and any number of speakers is allowed. Those from
    ``num_speakers`` on share the last vector.

    Args:
        num_speakers: Number of vectors, at least 1.
        embedding_dim: Their length.

    Shapes:
        - **input:** speakers :math:`(N)`, integers from 0
        - **output:** :math:`(N, F)`

    Raises:
        ValueError: If ``num_speakers`` is less than 1.

    Example:
        >>> import torch
        >>> from graphml.nn import SpeakerEmbedding
        >>> SpeakerEmbedding(2, 8)(torch.tensor([0, 1, 5])).shape
        torch.Size([3, 8])
    """

    def __init__(self, num_speakers: int, embedding_dim: int) -> None:
        super().__init__()
        if num_speakers < 1:
            raise ValueError(f"num_speakers: expected at least 1, got {num_speakers}")
        self.num_speakers, self.embedding_dim = num_speakers, embedding_dim
        self.weight = nn.Parameter(torch.empty(num_speakers, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        nn.init.normal_(self.weight, std=0.1)  # beside standardised features: a hint, not a feature of the same size

    def forward(self, speakers: Tensor) -> Tensor:
        """Return the vector of each utterance's speaker.

        Args:
            speakers: ``[N]`` number of the speaker in the dialogue, from 0.

        Returns:
            ``[N, F]``.
        """
        return self.weight.index_select(0, speakers.clamp(max=self.num_speakers - 1))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_speakers}, {self.embedding_dim})"
