"""Edges of the dialogue graphs of a whole batch, by tensor arithmetic on lengths and speakers.

A batch packs its dialogues end to end: utterance 0 is the first of the first dialogue. The edges come out sorted by
target and, within a target, by source, so that ``(rowptr, edge_index[0])`` is the CSR of the matrix that a layer
multiplies with. There is no loop over dialogues or utterances and no sort; the device is waited for once, to learn E.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Scheme = Callable[[Tensor, Tensor, Tensor], Tensor]


class DialogueEdges(NamedTuple):
    """Typed edges, grouped by target.

    Attributes:
        edge_index: ``[2, E]`` source and target of each edge, targets ascending.
        relation: ``[E]`` type of each edge, from 0.
        rowptr: ``[N + 1]`` pointers: the edges into node i are ``rowptr[i]`` to ``rowptr[i + 1] - 1``.
    """

    edge_index: Tensor
    relation: Tensor
    rowptr: Tensor


def speaker_direction(source: Tensor, target: Tensor, speakers: Tensor) -> Tensor:
    """Five relations for any number of speakers: (same, other speaker) x (past, future), and the utterance itself.

    Args:
        source: ``[E]`` utterance that sends.
        target: ``[E]`` utterance that receives.
        speakers: ``[N]`` speaker of each utterance, comparable within a dialogue.

    Returns:
        ``[E]``: 0 same speaker, source in the target's past; 1 same, future; 2 other, past; 3 other, future; 4 self.
    """
    other = speakers.index_select(0, source) != speakers.index_select(0, target)
    relation = torch.add((source > target).to(source.dtype), other, alpha=2)
    return relation.masked_fill_(source == target, 4)


def speaker_pair_direction(source: Tensor, target: Tensor, speakers: Tensor, num_speakers: int = 2) -> Tensor:
    """Relations of DialogueGCN and COGMEN, 2 S^2 for S speakers: (speaker of source, speaker of target, direction).

    Direction is 0 where the source comes before the target. An utterance's edge to itself counts as 1, like an edge
    from a later utterance: the public codes ask "before?" and take all else together.

    Args:
        source: ``[E]`` utterance that sends.
        target: ``[E]`` utterance that receives.
        speakers: ``[N]`` speaker of each utterance, from 0 to S - 1.
        num_speakers: S.

    Returns:
        ``[E]``: ``2 (S speaker[source] + speaker[target]) + direction``.
    """
    pair = num_speakers * speakers.index_select(0, source) + speakers.index_select(0, target)
    return torch.add(source >= target, pair.to(source.dtype), alpha=2)


def dialogue_edges(
    lengths: Tensor, speakers: Tensor, past: int = 10, future: int = 10, scheme: Scheme = speaker_direction
) -> DialogueEdges:
    """Edges between the utterances of each dialogue within a window around the target.

    Utterance t receives from itself, from the ``past`` utterances before it and from the ``future`` ones after it, as
    far as its dialogue reaches.

    Args:
        lengths: ``[B]`` utterances of each dialogue, int64 or int32; the edges take its type and device.
        speakers: ``[N]`` speaker of each utterance, the dialogues end to end.
        past: Utterances before the target, -1 for all.
        future: Utterances after the target, -1 for all.
        scheme: Function of source [E], target [E] and speakers [N] that gives the relation [E] of each edge.

    Returns:
        The edges, sorted by target, then by source.

    Raises:
        TypeError: If ``lengths`` does not hold integers.
        ValueError: If a shape or the window is wrong, or the lengths do not add up to the number of utterances.
    """
    check_ragged(lengths, "lengths")
    if speakers.dim() != 1:
        raise ValueError(f"speakers: expected a vector [num_utterances], got shape {tuple(speakers.shape)}")
    for name, width in (("past", past), ("future", future)):
        if width < -1:
            raise ValueError(f"{name}: expected a number of utterances, or -1 for all, got {width}")
    start, end = spans(lengths, speakers.numel())
    index = torch.arange(speakers.numel(), device=lengths.device, dtype=lengths.dtype)
    first = start if past < 0 else torch.maximum(start, index - past)
    stop = end if future < 0 else torch.minimum(end, index + (future + 1))
    rowptr = pointers(stop - first)
    num_edges = read_total(lengths, rowptr, speakers.numel())
    target = torch.repeat_interleave(stop - first, output_size=num_edges)
    source = (first - rowptr[:-1]).index_select(0, target)
    source += torch.arange(num_edges, device=source.device, dtype=source.dtype)
    return DialogueEdges(torch.stack([source, target]), scheme(source, target, speakers), rowptr)


def speaker_pair_edges(
    lengths: Tensor, speakers: Tensor, past: int = 10, future: int = 10, num_speakers: int = 2
) -> DialogueEdges:
    """Graph of DialogueGCN and COGMEN, edge for edge as their public codes build it.

    Ghosal et al., "DialogueGCN: A Graph Convolutional Neural Network for Emotion Recognition in Conversation", EMNLP
    2019; Joshi et al., "COGMEN: COntextualized GNN based Multimodal Emotion recognitioN", NAACL 2022. Both codes make
    an edge from utterance i to every utterance in i's window, itself too: the window is the **source's**. With unequal
    sides a target therefore receives from ``future`` utterances before it and ``past`` after it; `dialogue_edges` puts
    the window where its names say. The relations are `speaker_pair_direction`'s. DialogueGCN's edge weights are
    learned, a softmax of scores over the edges of one source, and so belong to its layer.

    Args:
        lengths: ``[B]`` utterances of each dialogue, int64 or int32.
        speakers: ``[N]`` speaker of each utterance, from 0 to ``num_speakers - 1``.
        past: Utterances before the source, -1 for all.
        future: Utterances after the source, -1 for all.
        num_speakers: Speakers S of the dataset; there are 2 S^2 relations.

    Returns:
        The edges, sorted by target, then by source.

    Raises:
        TypeError: As `dialogue_edges`.
        ValueError: As `dialogue_edges`, and if a speaker is out of range (their relations would run together).
    """
    if speakers.numel() > 0:
        low, high = torch.stack(speakers.aminmax()).tolist()
        if low < 0 or high >= num_speakers:
            raise ValueError(f"speakers: expected 0 to {num_speakers - 1} (num_speakers), got {low} to {high}")

    def scheme(source: Tensor, target: Tensor, speakers: Tensor) -> Tensor:
        return speaker_pair_direction(source, target, speakers, num_speakers)

    return dialogue_edges(lengths, speakers, past=future, future=past, scheme=scheme)


def check_ragged(lengths: Tensor, name: str) -> None:
    """Check that a tensor can hold lengths."""
    if lengths.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{name}: expected int64 or int32, got {lengths.dtype}")
    if lengths.dim() != 1 or lengths.numel() == 0:
        raise ValueError(f"{name}: expected a vector [num_dialogues] of at least one, got shape {tuple(lengths.shape)}")


def pointers(counts: Tensor) -> Tensor:
    """Pointers ``[N + 1]`` of rows with these counts ``[N]``, in their type."""
    out = counts.new_zeros(counts.numel() + 1)
    torch.cumsum(counts, 0, dtype=counts.dtype, out=out[1:])
    return out


def spans(lengths: Tensor, num_utterances: int) -> tuple[Tensor, Tensor]:
    """First utterance of each utterance's dialogue and the one after its last, each ``[N]``.

    Found by search and not by repetition, so that wrong lengths are no access out of bounds before they are reported.
    """
    offset = pointers(lengths)
    index = torch.arange(num_utterances, device=lengths.device, dtype=lengths.dtype)
    dialogue = torch.searchsorted(offset[1:], index, right=True, out_int32=True).clamp_(max=lengths.numel() - 1)
    return offset.index_select(0, dialogue), offset.index_select(0, dialogue + 1)


def read_total(lengths: Tensor, rowptr: Tensor, num_utterances: int) -> int:
    """Number of edges, and the check of the lengths' values: one wait for the device."""
    total, shortest, num_edges = torch.stack([lengths.sum(), lengths.min(), rowptr[-1]]).tolist()
    if shortest < 0:
        raise ValueError(f"lengths: expected numbers of utterances, got {shortest}")
    if total != num_utterances:
        raise ValueError(f"lengths: expected to add up to the {num_utterances} utterances, got {total}")
    return int(num_edges)
