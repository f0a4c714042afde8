import itertools

import pytest
import torch
from torch_geometric.nn import HypergraphConv

from graphml.ops.modality_edges import modality_edges, modality_hyperedges

BATCHES = [[5], [1], [1, 1], [7, 1, 30, 12], [16] * 3]


def mmgcn_loop(lengths: list[int], num_modalities: int, loops: bool) -> dict[tuple[int, int], int]:
    """MMGCN's description: a block of the big adjacency for each dialogue and modality, and diagonals across."""
    total, edges, start = sum(lengths), {}, 0
    for length in lengths:
        for m, n in itertools.product(range(num_modalities), repeat=2):
            for i, j in itertools.product(range(length), repeat=2):
                if m == n and (loops or i != j):
                    edges[m * total + start + j, n * total + start + i] = 0
                elif m != n and i == j:
                    edges[m * total + start + j, n * total + start + i] = 1
        start += length
    return edges


def m3net_loop(lengths: list[int]) -> tuple[list[set[int]], list[set[int]]]:
    """M3NET's description: the nodes of a dialogue are its text, then audio, then video ones, dialogue by dialogue.

    Returns the hyperedges of utterances and those of dialogues, as sets of (dialogue, modality, position) triples.
    """
    within, across = [], []
    for dialogue, length in enumerate(lengths):
        nodes = [[(dialogue, m, i) for i in range(length)] for m in range(3)]
        within += [frozenset(row) for row in nodes]
        across += [frozenset(row[i] for row in nodes) for i in range(length)]
    return across, within


def as_dict(edges) -> dict[tuple[int, int], int]:
    pairs = [tuple(pair) for pair in edges.edge_index.t().tolist()]
    assert len(set(pairs)) == len(pairs), "an edge twice"
    return dict(zip(pairs, edges.relation.tolist(), strict=True))


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("lengths", BATCHES)
def test_mmgcn_is_its_loop(lengths, num_modalities, loops):
    edges = modality_edges(torch.tensor(lengths), num_modalities, loops)
    assert as_dict(edges) == mmgcn_loop(lengths, num_modalities, loops)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("loops", [True, False])
def test_edges_are_a_csr_by_target_own_modality_first(dtype, loops):
    edges = modality_edges(torch.tensor([4, 1, 9], dtype=dtype), 3, loops)
    source, target = edges.edge_index.long()
    assert torch.equal(edges.rowptr.diff().long(), target.bincount(minlength=42))
    key = (target * 2 + edges.relation.long()) * 42 + source
    assert bool((key.diff() > 0).all())
    assert {part.dtype for part in edges} == {dtype}


@pytest.mark.parametrize("lengths", BATCHES)
def test_m3net_is_its_loop(lengths):
    sizes, total = torch.tensor(lengths), sum(lengths)
    hyper = modality_hyperedges(sizes)
    place = [(d, i) for d, length in enumerate(lengths) for i in range(length)]
    members: dict[int, set] = {}
    for node, hyperedge in hyper.edge_index.t().tolist():
        modality, utterance = divmod(node, total)
        dialogue, position = place[utterance]
        members.setdefault(hyperedge, set()).add((dialogue, modality, position))
    across, within = m3net_loop(lengths)
    assert [frozenset(members[k]) for k in range(total)] == across
    assert len(members) == total + len(within)
    assert {frozenset(members[k]) for k in range(total, len(members))} == set(within)
    for m, d in itertools.product(range(3), range(len(lengths))):
        assert members[total + m * len(lengths) + d] == set(within[3 * d + m])


def test_hyperedges_are_sorted_and_typed():
    hyper = modality_hyperedges(torch.tensor([2, 3], dtype=torch.int32), 2)
    node, hyperedge = hyper.edge_index.long()
    assert bool(((hyperedge * 10 + node).diff() > 0).all())
    assert torch.equal(hyper.rowptr.diff().long(), hyperedge.bincount())
    assert torch.equal(hyper.relation.bool(), hyperedge >= 5)
    assert {part.dtype for part in hyper} == {torch.int32}


def test_hyperedges_are_pygs_hyperedge_index():
    hyper = modality_hyperedges(torch.tensor([2, 3]), 2)
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    conv = HypergraphConv(4, 4, bias=False)
    incidence = torch.zeros(10, 9).index_put_(tuple(hyper.edge_index), torch.ones(()))
    edge, node = incidence.sum(0), incidence.sum(1)
    expected = (incidence / node[:, None]) @ ((incidence / edge).t() @ conv.lin(x))
    torch.testing.assert_close(conv(x, hyper.edge_index), expected)


@pytest.mark.parametrize("function", [modality_edges, modality_hyperedges])
def test_wrong_inputs_are_named(function):
    with pytest.raises(TypeError, match=r"lengths: expected int64 or int32, got torch\.float32"):
        function(torch.ones(2))
    with pytest.raises(ValueError, match="lengths: expected positive numbers of utterances, got 0"):
        function(torch.tensor([3, 0]))
    with pytest.raises(ValueError, match=r"lengths: expected a vector \[num_dialogues\]"):
        function(torch.tensor([[3]]))
    with pytest.raises(ValueError, match="num_modalities: expected at least 1, got 0"):
        function(torch.tensor([3]), 0)
