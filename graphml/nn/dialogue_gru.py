"""A bidirectional GRU over the utterances of each dialogue."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class DialogueGRU(nn.Module):
    """Context of each utterance: a bidirectional GRU along its dialogue, never across dialogues.

    The dialogues lie end to end without padding, as `graphml.ops.DialogueBatch` holds them; what company a dialogue has
    in its batch does not change its result.

    Args:
        in_channels: Features of an utterance.
        hidden_channels: Units of each direction.
        num_layers: Layers.
        dropout: Share of values dropped between layers, in [0, 1).

    Shapes:
        - **input:** features :math:`(N, F)`, lengths :math:`(B)` that add up to :math:`N`
        - **output:** :math:`(N, 2 H)`

    Example:
        >>> import torch
        >>> from graphml.nn import DialogueGRU
        >>> DialogueGRU(3, 4)(torch.randn(5, 3), torch.tensor([2, 3])).shape
        torch.Size([5, 8])
    """

    def __init__(self, in_channels: int, hidden_channels: int, num_layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, 2 * hidden_channels
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(
            in_channels, hidden_channels, num_layers, batch_first=True, dropout=between, bidirectional=True
        )

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.gru.reset_parameters()

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the context of each utterance.

        Args:
            x: ``[N, F]`` features, the dialogues end to end.
            lengths: ``[B]`` utterances of each dialogue.

        Returns:
            ``[N, 2 H]``.
        """
        sizes = lengths.tolist()
        padded = nn.utils.rnn.pad_sequence(list(x.split(sizes)), batch_first=True)
        packed: PackedSequence = self.gru(
            pack_padded_sequence(padded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        )[0]
        out = pad_packed_sequence(packed, batch_first=True)[0]
        return torch.cat([row[:size] for row, size in zip(out, sizes, strict=True)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels // 2}, num_layers={self.gru.num_layers})"
