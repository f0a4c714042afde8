"""Dialogue graphs of a batch of 32 dialogues of IEMOCAP's lengths: tensor arithmetic against the published loops.

Each rival is written anew from the description of a public code, with what that code does for each edge or utterance:

- COGMEN: a set of pairs that grows by union, twice for each dialogue; then one small tensor, two reads of a speaker
  and one look-up by a string for each edge;
- DialogueGCN: the same, the speakers found in one-hot rows;
- MMGCN: for each dialogue and modality the products of all features with each other, summed; a dense matrix of all
  nodes; its normalisation by two dense products with diagonal matrices;
- M3NET: lists that grow by concatenation, utterance by utterance, for the incidence, the pairs of each hyperedge (which
  its network does not use: also measured without) and the graph within and across modalities.

"Plain lists" is the least that Python can do: appends of integers and one conversion at the end. The goal is 250 times
each published loop. MMGCN has 200 channels, as in its code.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from graphml.bench.measure import Result, compare
from graphml.data import DialogueBatch
from graphml.data.samples import synthetic_dialogues
from graphml.ops import (
    angular_similarity,
    dialogue_edges,
    modality_edges,
    modality_hyperedges,
    speaker_pair_edges,
    symmetric_normalize,
)

GOAL = 250.0


def window(length: int, i: int, past: int, future: int) -> range:
    """Utterances in the window of utterance i."""
    first = 0 if past == -1 else max(0, i - past)
    return range(first, length if future == -1 else min(length, i + future + 1))


def pairs_by_union(length: int, past: int, future: int) -> list[tuple[int, int]]:
    """Pairs of one dialogue in a set that is copied for each utterance."""
    pairs: set[tuple[int, int]] = set()
    for i in range(length):
        pairs = pairs.union({(i, j) for j in window(length, i, past, future)})
    return list(pairs)


def pair_loop(lengths: list[int], padded: Tensor, past: int, future: int, one_hot: bool) -> tuple[Tensor, Tensor]:
    """COGMEN's construction, or DialogueGCN's for one-hot speakers."""
    types: dict[str, int] = {}
    for a, b, direction in itertools.product("01", "01", "01"):
        types[a + b + direction] = len(types)
    edges, relation, first = [], [], 0
    windows = [pairs_by_union(length, past, future) for length in lengths]  # for the attention or to no use
    for number, length in enumerate(lengths):
        windows[number] = pairs_by_union(length, past, future)
        for i, j in windows[number]:
            edges.append(torch.tensor([first + i, first + j]))
            if one_hot:
                a, b = ((padded[number, k] == 1).nonzero()[0][0].tolist() for k in (i, j))
            else:
                a, b = padded[number, i].item(), padded[number, j].item()
            relation.append(types[f"{a}{b}{0 if i < j else 1}"])
        first += length
    return torch.stack(edges).t().contiguous(), torch.tensor(relation)


def plain_lists(lengths: list[int], speakers: list[int], past: int, future: int) -> tuple[Tensor, Tensor]:
    """The same edges and relations with nothing but appends of integers."""
    source, target, relation, first = [], [], [], 0
    for length in lengths:
        for i in range(length):
            a = 4 * speakers[first + i]
            for j in window(length, i, past, future):
                source.append(first + i)
                target.append(first + j)
                relation.append(a + 2 * speakers[first + j] + (i >= j))
        first += length
    return torch.tensor([source, target]), torch.tensor(relation)


def mmgcn_matrix(lengths: list[int], modalities: list[Tensor]) -> Tensor:
    """MMGCN's construction: the normalised dense matrix of all nodes of the batch."""
    total, start = sum(lengths), 0
    matrix = torch.zeros(len(modalities) * total, len(modalities) * total)
    for length in lengths:
        rows = [x[start : start + length] for x in modalities]
        unit = [x / x.square().sum(1, keepdim=True).sqrt() for x in rows]
        for m, n in itertools.product(range(len(modalities)), repeat=2):
            top, left = start + m * total, start + n * total
            if m == n:
                transposed = unit[m].t()
                cosine = (transposed[:, :, None] @ transposed[:, None, :]).sum(0)
                matrix[top : top + length, left : left + length] = angle(cosine)
            else:
                index = torch.arange(length)
                matrix[top + index, left + index] = angle((unit[m] * unit[n]).sum(1))
        start += length
    scale = torch.diag(matrix.sum(1).pow(-0.5))
    return scale.mm(matrix).mm(scale)


def angle(cosine: Tensor) -> Tensor:
    """Angular similarity."""
    return 1 - torch.acos(0.99999 * cosine) / math.pi


def m3net_lists(lengths: list[int], expand: bool) -> list[Tensor]:
    """M3NET's construction: incidence, pairs of each hyperedge if they are wanted, and the graph of pairs."""
    nodes, hyperedges, expanded, inside, across, first, count = [], [], [], [], [], 0, 0
    for length in lengths:
        rows = [list(range(first + m * length, first + (m + 1) * length)) for m in range(3)]
        nodes = nodes + rows[0] + rows[1] + rows[2]
        triples = [[row[i] for row in rows] for i in range(length)]
        for triple in triples:
            nodes = nodes + triple
        for members in rows + triples:
            hyperedges = hyperedges + [count] * len(members)
            count += 1
            if expand:
                expanded = expanded + list(itertools.permutations(members, 2))
        for row in rows:
            inside = inside + list(itertools.permutations(row, 2))
        for triple in triples:
            across = across + list(itertools.permutations(triple, 2))
        first += 3 * length
    return [torch.tensor([nodes, hyperedges]), *(torch.tensor(pairs).t() for pairs in (expanded, inside, across))]


def ours_mmgcn(lengths: Tensor, nodes: Tensor) -> Tensor:
    """Edges and weights of MMGCN, sparse."""
    edges = modality_edges(lengths)
    return symmetric_normalize(edges.edge_index, angular_similarity(nodes, edges), nodes.size(0))


def pair_jobs(batch: DialogueBatch, past: int, future: int) -> list[Result]:
    """DialogueGCN's and COGMEN's graph with one window."""
    lengths, speakers = batch.lengths.tolist(), batch.speakers.tolist()
    padded = pad_sequence(batch.speakers.split(lengths), batch_first=True)
    one_hot = F.one_hot(padded, 2)
    ours = {
        "speaker_pair_edges": lambda: speaker_pair_edges(batch.lengths, batch.speakers, past, future),
        "dialogue_edges": lambda: dialogue_edges(batch.lengths, batch.speakers, past, future),
    }
    loops = {
        "COGMEN's loop": lambda: pair_loop(lengths, padded, past, future, one_hot=False),
        "DialogueGCN's loop": lambda: pair_loop(lengths, one_hot, past, future, one_hot=True),
        "plain lists": lambda: plain_lists(lengths, speakers, past, future),
    }
    job = "dialogue edges, whole dialogue" if past == -1 else f"dialogue edges, window {past}/{future}"
    goals = dict.fromkeys(ours, GOAL)
    return compare(job, size(batch), loops | ours, "COGMEN's loop", goals, repeats=3)


def modality_jobs(batch: DialogueBatch) -> list[Result]:
    """MMGCN's graph with its weights, and M3NET's hypergraph and graph."""
    lengths, modalities = batch.lengths.tolist(), list(batch.features.values())
    nodes = torch.cat(modalities)
    mmgcn = {
        "MMGCN's matrix": lambda: mmgcn_matrix(lengths, modalities),
        "modality_edges and weights": lambda: ours_mmgcn(batch.lengths, nodes),
    }
    goal = {"modality_edges and weights": GOAL}
    results = compare("MMGCN's graph, 200 channels", size(batch), mmgcn, "MMGCN's matrix", goal, repeats=3)
    m3net = {
        "M3NET's lists": lambda: m3net_lists(lengths, expand=True),
        "M3NET's lists, no unused pairs": lambda: m3net_lists(lengths, expand=False),
        "modality_hyperedges, modality_edges": lambda: (
            modality_hyperedges(batch.lengths),
            modality_edges(batch.lengths, loops=False),
        ),
    }
    goal = {"modality_hyperedges, modality_edges": GOAL}
    return results + compare("M3NET's hypergraph and graph", size(batch), m3net, "M3NET's lists", goal, repeats=3)


def size(batch: DialogueBatch) -> str:
    """Label of a batch."""
    return f"IEMOCAP, {batch.num_dialogues} dialogues"


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Take the window of 10 alone.

    Returns:
        The measurements.
    """
    data = synthetic_dialogues("IEMOCAP", dict.fromkeys(("audio", "video", "text"), 200))
    batch = data.select(range(32))
    results = pair_jobs(batch, 10, 10) + modality_jobs(batch)
    return results if quick else results + pair_jobs(batch, -1, -1)
