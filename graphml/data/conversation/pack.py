"""From the table of conversations to flat tensors."""

from collections.abc import Sequence

import torch

from graphml.data.conversation.table import Conversations
from graphml.data.packed import PackedDialogues
from graphml.ops import DialogueLinks


def pack(
    conversations: Conversations, modalities: Sequence[str] | None = None, links: DialogueLinks | None = None
) -> PackedDialogues:
    """Pack conversations for a loader.

    Args:
        conversations: What to pack.
        modalities: Modalities to take; default all that the conversations have. One that they lack altogether is no
            error here: a model that needs it says so.
        links: Links between utterances, numbered as the table's rows.

    Returns:
        The packed dialogues: labels -1 where unknown, rows of NaN where a modality is missing.
    """
    names = [*conversations.features] if modalities is None else [m for m in modalities if m in conversations.features]
    return PackedDialogues(
        torch.from_numpy(conversations.lengths),
        torch.from_numpy(conversations.speakers),
        {name: torch.from_numpy(conversations.features[name]) for name in names},
        torch.from_numpy(conversations.labels),
        links,
    )
