"""Graphs with one node for each utterance and modality: MMGCN's and M3NET's edges for a whole batch.

With N utterances end to end, node ``m N + i`` is utterance i in modality m: the features of the nodes are
``torch.cat([audio, video, text])``.
"""

import torch
from torch import Tensor

from graphml.ops.dialogue_edges import DialogueEdges, check_ragged, pointers


def modality_edges(lengths: Tensor, num_modalities: int = 3, loops: bool = True) -> DialogueEdges:
    """Complete graph of each dialogue within each modality, and the modalities of one utterance joined to each other.

    Hu et al., "MMGCN: Multimodal Fusion via Deep Graph Convolution Network for Emotion Recognition in Conversation",
    ACL 2021, with a loop at each node. Its edge weights are ``angular_similarity(x, edges)``, symmetrically normalised.
    Without loops it is the graph on which M3NET filters frequencies (see `modality_hyperedges`).

    Args:
        lengths: ``[B]`` utterances of each dialogue, int64 or int32; the edges take its type and device.
        num_modalities: Modalities M.
        loops: Join each node to itself.

    Returns:
        The edges, sorted by target; of one target first those from its own modality, then those from the others, each
        in the order of the sources. Relation 0 is an edge within a modality, 1 an edge across (the paper's network
        does not tell them apart).

    Raises:
        TypeError: If ``lengths`` does not hold integers.
        ValueError: If ``lengths`` is no vector of positive numbers or ``num_modalities`` is below 1.
    """
    num_nodes, num_edges = _sizes(lengths, num_modalities)
    across = num_modalities - 1
    # One modality first, with room for the edges across at the end of each row: the others are shifted copies.
    dialogue = torch.repeat_interleave(lengths, output_size=num_nodes)
    inside = (lengths if loops else lengths - 1).index_select(0, dialogue)
    rowptr = pointers(inside + across)
    num_edges += num_nodes * (across - (not loops))
    target = torch.repeat_interleave(inside + across, output_size=num_edges)
    source = (pointers(lengths).index_select(0, dialogue) - rowptr[:-1]).index_select(0, target)
    source += torch.arange(num_edges, device=source.device, dtype=source.dtype)
    if not loops:
        source += source >= target
    slots = (rowptr[1:, None] - torch.arange(across, 0, -1, device=rowptr.device, dtype=rowptr.dtype)).flatten().long()
    relation = torch.zeros_like(target).index_fill_(0, slots, 1)
    shift = torch.arange(num_modalities, device=lengths.device, dtype=lengths.dtype)[:, None]
    # Written in place: for lists of this size the pages of every copy cost more than the arithmetic.
    edge_index = target.new_empty(2, num_modalities, num_edges)
    torch.add(source, num_nodes * shift, out=edge_index[0])
    torch.add(target, num_nodes * shift, out=edge_index[1])
    edge_index[0][:, slots] = _same_utterance(shift, num_nodes)
    rows = torch.cat([rowptr[:1], (rowptr[1:] + num_edges * shift).flatten()])
    return DialogueEdges(edge_index.flatten(1), relation.repeat(num_modalities), rows)


def _same_utterance(modality: Tensor, num_nodes: int) -> Tensor:
    """Nodes ``[M, N (M - 1)]`` of each utterance in the other modalities, for each modality."""
    other = torch.arange(modality.numel() - 1, device=modality.device, dtype=modality.dtype)
    other = other + (other >= modality)
    index = torch.arange(num_nodes, device=modality.device, dtype=modality.dtype)
    return (num_nodes * other[:, None, :] + index[:, None]).flatten(1)


def modality_hyperedges(lengths: Tensor, num_modalities: int = 3) -> DialogueEdges:
    """Incidence of M3NET's hypergraph: one hyperedge a dialogue and modality, and one an utterance.

    Chen, Shao, Zhu, Chen, "Multivariate, Multi-Frequency and Multimodal: Rethinking Graph Neural Networks for Emotion
    Recognition in Conversation", CVPR 2023. Hyperedge i < N joins the modalities of utterance i; hyperedge
    ``N + m B + d`` joins all utterances of dialogue d in modality m.

    Args:
        lengths: ``[B]`` utterances of each dialogue, int64 or int32; the result takes its type and device.
        num_modalities: Modalities M.

    Returns:
        ``edge_index`` ``[2, 2 M N]``: node and hyperedge of each incidence (PyG's ``hyperedge_index``), sorted by
        hyperedge, then by node. ``relation`` ``[2 M N]``: 0 for a hyperedge of an utterance, 1 for one of a dialogue.
        ``rowptr`` points by hyperedge.

    Raises:
        TypeError: If ``lengths`` does not hold integers.
        ValueError: If ``lengths`` is no vector of positive numbers or ``num_modalities`` is below 1.
    """
    num_nodes, _ = _sizes(lengths, num_modalities)
    node = torch.arange(num_modalities * num_nodes, device=lengths.device, dtype=lengths.dtype)
    by_utterance = node.view(num_modalities, num_nodes).t()
    utterance = torch.arange(num_nodes, device=lengths.device, dtype=lengths.dtype)
    counts = torch.cat([torch.full_like(utterance, num_modalities), lengths.repeat(num_modalities)])
    hyperedge = torch.repeat_interleave(counts, output_size=2 * node.numel())
    edge_index = torch.stack([torch.cat([by_utterance.flatten(), node]), hyperedge])
    return DialogueEdges(edge_index, (hyperedge >= num_nodes).to(lengths.dtype), pointers(counts))


def _sizes(lengths: Tensor, num_modalities: int) -> tuple[int, int]:
    """Utterances and pairs of utterances within dialogues, after a check: the one wait for the device."""
    check_ragged(lengths, "lengths")
    if num_modalities < 1:
        raise ValueError(f"num_modalities: expected at least 1, got {num_modalities}")
    total, squares, shortest = torch.stack([lengths.sum(), (lengths * lengths).sum(), lengths.min()]).tolist()
    if shortest < 1:
        raise ValueError(f"lengths: expected positive numbers of utterances, got {shortest}")
    return int(total), int(squares)
