"""Dialogues of different lengths without padding: all utterances end to end, a batch is an index into them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from graphml.ops import DialogueBatch, DialogueLinks, dialogue_edges, speaker_direction
from graphml.ops.dialogue_edges import Scheme, check_ragged, pointers


class PackedDialogues(Dataset[DialogueBatch]):
    """All dialogues of a dataset in flat tensors on one device.

    Args:
        lengths: ``[D]`` utterances of each dialogue, int64 or int32, at least 1 each.
        speakers: ``[N]`` speaker of each utterance, the dialogues end to end.
        features: For each modality its features ``[N, F]``.
        labels: ``[N, ...]`` label of each utterance, or None.
        links: Links between utterances of the same dialogue, numbered from 0 to N - 1, or None.

    Raises:
        TypeError: If ``lengths`` does not hold integers.
        ValueError: If the sizes do not agree, a dialogue is empty, a link leaves its dialogue, or tensors lie on
            different devices.

    Example:
        >>> import torch
        >>> from graphml.data import PackedDialogues
        >>> data = PackedDialogues(torch.tensor([2, 1]), torch.tensor([0, 1, 0]), {"text": torch.eye(3)})
        >>> batch = data.select([1, 0])
        >>> batch.lengths.tolist(), batch.position.tolist(), batch.features["text"].argmax(1).tolist()
        ([1, 2], [0, 0, 1], [2, 0, 1])
    """

    def __init__(
        self,
        lengths: Tensor,
        speakers: Tensor,
        features: Mapping[str, Tensor],
        labels: Tensor | None = None,
        links: DialogueLinks | None = None,
    ) -> None:
        self.host_lengths = lengths.cpu()  # a batch's size is then known without waiting for the device
        self.lengths, self.speakers, self.labels = lengths, speakers, labels
        self.features = dict(features)
        self._check()
        self.offsets = pointers(lengths)
        self._links = None if links is None else _DialoguesLinks(links, self.offsets)

    @classmethod
    def from_dialogues(
        cls,
        speakers: Sequence[Tensor],
        features: Mapping[str, Sequence[Tensor]],
        labels: Sequence[Tensor] | None = None,
    ) -> Self:
        """Pack dialogues that are given one by one.

        Args:
            speakers: For each dialogue the speaker ``[L]`` of each utterance.
            features: For each modality and dialogue the features ``[L, F]``.
            labels: For each dialogue the labels ``[L, ...]``, or None.

        Returns:
            The packed dialogues.

        Raises:
            ValueError: If a modality or the labels of a dialogue have another length than its speakers.
        """
        lengths = [len(part) for part in speakers]
        if not lengths:
            raise ValueError("speakers: expected at least one dialogue, got none")
        columns = {f"features[{name!r}]": parts for name, parts in features.items()}
        for name, parts in (columns if labels is None else {**columns, "labels": labels}).items():
            got = [len(part) for part in parts]
            if got != lengths:
                raise ValueError(f"{name}: expected dialogues of {_short(lengths)} utterances, got {_short(got)}")
        return cls(
            torch.tensor(lengths, device=speakers[0].device),
            torch.cat(list(speakers)),
            {name: torch.cat(list(parts)) for name, parts in features.items()},
            None if labels is None else torch.cat(list(labels)),
        )

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.speakers.device

    @property
    def num_utterances(self) -> int:
        """Number of utterances N of all dialogues."""
        return self.speakers.numel()

    def __len__(self) -> int:
        return self.lengths.numel()

    def __getitem__(self, index: int) -> DialogueBatch:
        return self.select([index])

    def __getitems__(self, index: list[int]) -> DialogueBatch:
        return self.select(index)  # torch's DataLoader asks for a whole batch at once

    def to(self, device: torch.device | str) -> Self:
        """Move to a device.

        Args:
            device: Where to.

        Returns:
            The data there.
        """
        labels = None if self.labels is None else self.labels.to(device)
        features = {name: x.to(device) for name, x in self.features.items()}
        links = None if self._links is None else DialogueLinks(*(part.to(device) for part in self._links.links))
        return type(self)(self.lengths.to(device), self.speakers.to(device), features, labels, links)

    def select(self, index: Sequence[int] | Tensor) -> DialogueBatch:
        """Gather dialogues, on the device, without waiting for it when ``index`` comes from the host.

        Args:
            index: ``[B]`` numbers of the dialogues, in the order wanted.

        Returns:
            The batch.

        Raises:
            ValueError: If ``index`` is empty, no vector, or out of range.
        """
        host = torch.as_tensor(index, dtype=torch.int64).cpu()
        if host.dim() != 1 or host.numel() == 0:
            raise ValueError(f"index: expected a vector of at least one dialogue, got shape {tuple(host.shape)}")
        if int(host.min()) < 0 or int(host.max()) >= len(self):
            raise ValueError(f"index: expected dialogues 0 to {len(self) - 1}, got {_short(host.tolist())}")
        total = int(self.host_lengths[host].sum())
        chosen = host.to(self.device, non_blocking=True)
        lengths = self.lengths.index_select(0, chosen)
        offsets = pointers(lengths)
        batch, position = _places(offsets, total)
        rows = position + self.offsets.index_select(0, chosen).index_select(0, batch)
        return DialogueBatch(
            index=chosen,
            lengths=lengths,
            offsets=offsets,
            batch=batch,
            position=position,
            speakers=self.speakers.index_select(0, rows),
            labels=None if self.labels is None else self.labels.index_select(0, rows),
            features={name: x.index_select(0, rows) for name, x in self.features.items()},
            links=None if self._links is None else self._links.select(host, chosen, offsets),
        )

    def _check(self) -> None:
        check_ragged(self.lengths, "lengths")
        total = int(self.host_lengths.sum())
        if int(self.host_lengths.min()) < 1:
            raise ValueError(f"lengths: expected at least 1 utterance in each, got {int(self.host_lengths.min())}")
        columns = (
            {"speakers": self.speakers} if self.labels is None else {"speakers": self.speakers, "labels": self.labels}
        )
        for name, column in (columns | {f"features[{name!r}]": x for name, x in self.features.items()}).items():
            if column.dim() == 0 or column.size(0) != total:
                raise ValueError(
                    f"{name}: expected a row for each of the {total} utterances, got shape {tuple(column.shape)}"
                )
            if column.device != self.lengths.device:
                raise ValueError(
                    f"{name}: expected to lie on {self.lengths.device} as lengths does, got {column.device}"
                )
        if self.speakers.dim() != 1:
            raise ValueError(f"speakers: expected a vector [num_utterances], got shape {tuple(self.speakers.shape)}")


class _DialoguesLinks:
    """Links of all dialogues, those of one dialogue together."""

    def __init__(self, links: DialogueLinks, offsets: Tensor) -> None:
        edge_index, weight = links
        if edge_index.dim() != 2 or edge_index.size(0) != 2 or weight.shape != edge_index.shape[1:]:
            got = f"{tuple(edge_index.shape)} and {tuple(weight.shape)}"
            raise ValueError(f"links: expected edges [2, E] and weights [E], got {got}")
        dialogue = torch.searchsorted(offsets, edge_index, right=True) - 1
        if bool((dialogue[0] != dialogue[1]).any()) or bool((edge_index < 0).any() | (edge_index >= offsets[-1]).any()):
            raise ValueError(f"links: expected both ends in one dialogue, from 0 to {int(offsets[-1]) - 1}")
        order = torch.argsort(dialogue[1], stable=True)
        self.links = DialogueLinks(edge_index[:, order], weight[order])
        self.starts = offsets
        counts = torch.bincount(dialogue[1], minlength=offsets.numel() - 1).to(offsets.dtype)
        self.counts, self.host_counts, self.offsets = counts, counts.cpu(), pointers(counts)

    def select(self, host: Tensor, chosen: Tensor, offsets: Tensor) -> DialogueLinks:
        """Links of the chosen dialogues, whose utterances now start at the offsets given."""
        total = int(self.host_counts[host].sum())
        which, within = _places(pointers(self.counts.index_select(0, chosen)), total)
        rows = within + self.offsets.index_select(0, chosen).index_select(0, which)
        moved = (offsets[:-1] - self.starts.index_select(0, chosen)).index_select(0, which)
        edge_index = self.links.edge_index.index_select(1, rows).to(moved.dtype) + moved
        return DialogueLinks(edge_index, self.links.weight.index_select(0, rows))


class AddDialogueEdges:
    """Add the graph of its dialogues to a batch (see `graphml.ops.dialogue_edges`).

    Args:
        past: Utterances before the target, -1 for all.
        future: Utterances after the target, -1 for all.
        scheme: Function of source, target and speakers that gives the relations.
    """

    def __init__(self, past: int = 10, future: int = 10, scheme: Scheme = speaker_direction) -> None:
        self.past, self.future, self.scheme = past, future, scheme

    def __call__(self, batch: DialogueBatch) -> DialogueBatch:
        """Return the batch with its edges."""
        edges = dialogue_edges(batch.lengths, batch.speakers, self.past, self.future, self.scheme)
        return dataclasses.replace(batch, edges=edges)


def _places(offsets: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Group of each of the items that lie end to end, and its place there, each ``[total]``."""
    group = torch.repeat_interleave(offsets.diff(), output_size=total)
    index = torch.arange(total, device=offsets.device, dtype=offsets.dtype)
    return group, index - offsets.index_select(0, group)


def _short(numbers: list[int]) -> str:
    """The first numbers of a list, for a message."""
    return f"[{', '.join(map(str, numbers[:6]))}, ...]" if len(numbers) > 6 else str(numbers)
