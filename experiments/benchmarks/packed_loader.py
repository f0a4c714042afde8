"""One epoch of dialogues: the packed loader against a padded dataset with a collate function.

The rival is written anew from the description of the datasets that the published codes share: for each dialogue lists
of one array an utterance, made into tensors when the dialogue is asked for, one-hot speakers and a mask; `pad_sequence`
pads a batch, and COGMEN's loop builds its graph (see dialogue_edges.py). Goal: 6 times that epoch, edges included. The
loaders alone are shown too, and beside them a rival that holds ready tensors and only pads. The features have published
widths: 1024 text, 1582 audio, 342 video.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from graphml.bench.measure import Result, compare
from graphml.data import AddDialogueEdges, PackedDialogues, PackedLoader
from graphml.data.samples import synthetic_dialogues

TYPES = {a + b + c: number for number, (a, b, c) in enumerate(itertools.product("012345678", "012345678", "01"))}


class PaddedDialogues(Dataset[list[Tensor]]):
    """Dialogues as lists of one array an utterance, or as ready tensors.

    Args:
        data: The dialogues.
        ready: Hold tensors.
    """

    def __init__(self, data: PackedDialogues, ready: bool) -> None:
        self.items = []
        for number in range(len(data)):
            batch = data[number]
            speakers = F.one_hot(batch.speakers, 9).float()
            columns = [*batch.features.values(), speakers, torch.ones(batch.num_utterances), batch.labels]
            self.items.append(columns if ready else [list(column.numpy()) for column in columns])

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> list[Tensor]:
        columns = self.items[number]
        return columns if isinstance(columns[0], Tensor) else [torch.from_numpy(np.array(rows)) for rows in columns]


def collate(dialogues: list[list[Tensor]]) -> list[Tensor]:
    """Pad each column."""
    return [pad_sequence(list(column), batch_first=True) for column in zip(*dialogues, strict=True)]


def python_edges(speakers: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The graph of a padded batch with a window of 10, edge by edge."""
    edges, relation, first = [], [], 0
    who = speakers.argmax(2)
    for number, length in enumerate(mask.sum(1).int().tolist()):
        for i in range(length):
            for j in range(max(0, i - 10), min(length, i + 11)):
                edges.append(torch.tensor([first + i, first + j]))
                a, b = who[number, i].item(), who[number, j].item()
                relation.append(TYPES[f"{a}{b}{0 if i < j else 1}"])
        first += length
    return torch.stack(edges).t(), torch.tensor(relation)


def padded_epoch(loader: DataLoader[list[Tensor]], edges: bool) -> int:
    """Go through an epoch of the rival."""
    count = 0
    for *_, speakers, mask, labels in loader:
        count += labels.numel()
        if edges:
            count += python_edges(speakers, mask)[0].size(1)
    return count


def packed_epoch(loader: PackedLoader) -> int:
    """Go through an epoch of ours."""
    return sum(batch.num_utterances for batch in loader)


def jobs(corpus: str) -> Iterator[Result]:
    """Measure one corpus."""
    data = synthetic_dialogues(corpus)
    order = torch.Generator().manual_seed(0)
    lists, ready = (
        DataLoader(PaddedDialogues(data, held), 32, shuffle=True, collate_fn=collate, generator=order)
        for held in (False, True)
    )
    plain = PackedLoader(data, 32, shuffle=True)
    graphs = PackedLoader(data, 32, shuffle=True, transform=AddDialogueEdges())
    size = f"{corpus}, {len(data)} dialogues"
    bytes_moved = 2 * sum(x.numel() * x.element_size() for x in data.features.values())
    rivals = {"padded dataset, edges by loop": lambda: padded_epoch(lists, True)}
    ours = {"packed loader, edges": lambda: packed_epoch(graphs)}
    goal = dict.fromkeys(ours, 6.0)
    yield from compare("epoch with edges", size, rivals | ours, next(iter(rivals)), goal, bytes_moved, repeats=3)
    rivals = {
        "padded dataset": lambda: padded_epoch(lists, False),
        "padded ready tensors": lambda: padded_epoch(ready, False),
    }
    ours = {"packed loader": lambda: packed_epoch(plain)}
    yield from compare("epoch, no edges", size, rivals | ours, next(iter(rivals)), None, bytes_moved, repeats=5)


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Take IEMOCAP's lengths alone, else MELD's too.

    Returns:
        The measurements.
    """
    return [*jobs("IEMOCAP")] if quick else [*jobs("IEMOCAP"), *jobs("MELD")]
