"""Conversations that are dealt to clients."""

import re

import torch

from graphml.data import Utterance
from graphml.data.conversation.datamodule import EmotionDataModule
from graphml.federated.client_data import STAGES, DialoguesData
from graphml.federated.partition import Items
from graphml.federated.sources.source import Source, source_of

SESSION = re.compile(r"^[A-Za-z]*\d+")
"""IEMOCAP names its dialogues by session first: Ses03F_impro05; other corpora likewise, or by one word alone."""


class DialogueSource(Source):
    """Dialogues for training and validation; those of the test split stay with the server.

    Their groups are ``session`` (the letters and digits that a dialogue's name begins with, such as Ses03 in
    IEMOCAP) and ``speaker`` (the first speaker's name).

    Args:
        module: Data module of the conversations.
    """

    kind = "conversations"

    def __init__(self, module: EmotionDataModule) -> None:
        self.module = module
        conversations = module.conversations
        self.numbers = torch.tensor(
            sorted([*conversations.split("train").tolist(), *conversations.split("val").tolist()])
        )

    def items(self) -> Items:
        """Dialogues, labelled by their most frequent emotion, with their groups."""
        first = self._first_utterances()
        groups = {
            "session": _numbered([_session(self._utterance(row).dialogue) for row in first]),
            "speaker": _numbered([self._utterance(row).speaker for row in first]),
        }
        return Items(len(self.numbers), self._labels(), groups=groups)

    def client_data(self, number: int) -> DialoguesData:
        """Dialogues of one client.

        Args:
            number: Number of the client.
        """
        return self._data(self.numbers[self.partition.members[number]].tolist())

    def server_data(self) -> DialoguesData:
        """All dialogues, the test split among them."""
        return self._data(list(range(len(self.module.data))))

    def _data(self, chosen: list[int]) -> DialoguesData:
        conversations = self.module.conversations
        splits = {stage: set(conversations.split(stage).tolist()) for stage in STAGES}
        index = {stage: [number for number in chosen if number in splits[stage]] for stage in STAGES}
        return DialoguesData(self.module.data, index, self.module.batch_size)

    def _first_utterances(self) -> list[int]:
        """Row of the first utterance of each dialogue."""
        lengths = torch.from_numpy(self.module.conversations.lengths)
        return (lengths.cumsum(0) - lengths)[self.numbers].tolist()

    def _utterance(self, row: int) -> Utterance:
        return self.module.conversations.utterances[row]

    def _labels(self) -> torch.Tensor:
        """Most frequent emotion of each dialogue, -1 where none is labelled."""
        conversations = self.module.conversations
        parts = torch.from_numpy(conversations.labels).split(conversations.lengths.tolist())
        known = [parts[number][parts[number] >= 0] for number in self.numbers.tolist()]
        return torch.tensor([int(part.bincount().argmax()) if len(part) else -1 for part in known])


def _session(dialogue: str) -> str:
    found = SESSION.match(dialogue)
    return found.group() if found else dialogue


def _numbered(names: list[str]) -> torch.Tensor:
    """Numbers of names, in the order of the alphabet."""
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    return torch.tensor([number[name] for name in names])


@source_of.register
def _(datamodule: EmotionDataModule) -> Source:
    return DialogueSource(datamodule)
