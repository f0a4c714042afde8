import itertools

import pytest
import torch

from graphml.ops.dialogue_edges import dialogue_edges, speaker_direction, speaker_pair_direction, speaker_pair_edges

WINDOWS = [(10, 10), (-1, -1), (2, 0), (0, 3), (1, -1), (-1, 0), (0, 0), (4, 9)]
BATCHES = [[5], [1], [7, 1, 30, 12], [0, 3, 0, 2], [64] * 3]


def batch(lengths: list[int], num_speakers: int = 2, dtype: torch.dtype = torch.int64) -> tuple:
    generator = torch.Generator().manual_seed(len(lengths) + num_speakers)
    total = sum(lengths)
    return torch.tensor(lengths, dtype=dtype), torch.randint(num_speakers, (total,), generator=generator, dtype=dtype)


def windowed_loop(lengths: list[int], speakers: list[int], past: int, future: int) -> dict[tuple[int, int], int]:
    """The default scheme as it is described: for each target a loop over its window."""
    edges, first = {}, 0
    for length in lengths:
        for target in range(length):
            for source in range(length):
                before = target - source
                if before > 0 and past != -1 and before > past:
                    continue
                if before < 0 and future != -1 and -before > future:
                    continue
                same = speakers[first + source] == speakers[first + target]
                relation = 4 if before == 0 else 2 * (not same) + (before < 0)
                edges[first + source, first + target] = relation
        first += length
    return edges


def published_loop(
    lengths: list[int], speakers: list[int], past: int, future: int, num_speakers: int
) -> dict[tuple[int, int], int]:
    """DialogueGCN's and COGMEN's description: types numbered by two loops, an edge from i to each j in i's window."""
    number: dict[str, int] = {}
    for a, b, direction in itertools.product(range(num_speakers), range(num_speakers), "01"):
        number[f"{a}{b}{direction}"] = len(number)
    edges, first = {}, 0
    for length in lengths:
        for i in range(length):
            low = 0 if past == -1 else max(0, i - past)
            high = length if future == -1 else min(length, i + future + 1)
            for j in range(low, high):
                direction = "0" if i < j else "1"
                edges[first + i, first + j] = number[f"{speakers[first + i]}{speakers[first + j]}{direction}"]
        first += length
    return edges


def as_dict(edges) -> dict[tuple[int, int], int]:
    pairs = [tuple(pair) for pair in edges.edge_index.t().tolist()]
    assert len(set(pairs)) == len(pairs), "an edge twice"
    return dict(zip(pairs, edges.relation.tolist(), strict=True))


@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("window", WINDOWS)
def test_default_scheme_is_the_double_loop(lengths, window):
    sizes, speakers = batch(lengths, 5)
    assert as_dict(dialogue_edges(sizes, speakers, *window)) == windowed_loop(lengths, speakers.tolist(), *window)


@pytest.mark.parametrize("num_speakers", [2, 9])
@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("window", WINDOWS)
def test_dialogue_gcn_and_cogmen_are_their_loops(lengths, window, num_speakers):
    sizes, speakers = batch(lengths, num_speakers)
    ours = as_dict(speaker_pair_edges(sizes, speakers, *window, num_speakers))
    assert ours == published_loop(lengths, speakers.tolist(), *window, num_speakers)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_edges_are_a_csr_by_target_in_the_type_of_the_lengths(dtype):
    sizes, speakers = batch([7, 1, 30, 12], dtype=dtype)
    edges = dialogue_edges(sizes, speakers, 3, 5)
    source, target = edges.edge_index.long()
    key = target * 50 + source
    assert bool((key.diff() > 0).all())
    assert torch.equal(edges.rowptr.diff().long(), target.bincount(minlength=50))
    assert {part.dtype for part in edges} == {dtype}


def test_another_scheme_is_a_function():
    sizes, speakers = batch([4, 2])

    def distance(source, target, speakers):
        return (source - target).abs()

    edges = dialogue_edges(sizes, speakers, -1, -1, scheme=distance)
    assert edges.relation.tolist() == (edges.edge_index[0] - edges.edge_index[1]).abs().tolist()


def test_relations_by_hand():
    source, target = torch.tensor([0, 1, 0, 2, 1]), torch.tensor([1, 0, 2, 0, 1])
    speakers = torch.tensor([7, 3, 7])
    assert speaker_direction(source, target, speakers).tolist() == [2, 3, 0, 1, 4]
    pairs = speaker_pair_direction(source, target, torch.tensor([0, 1, 0]))
    assert pairs.tolist() == [2, 5, 0, 1, 7]  # 01 before, 10 after, 00 before, 00 after, 11 itself


@pytest.mark.parametrize("function", [dialogue_edges, speaker_pair_edges])
def test_no_utterance_gives_no_edge(function):
    edges = function(torch.tensor([0, 0]), torch.zeros(0, dtype=torch.long))
    assert edges.edge_index.shape == (2, 0)
    assert edges.rowptr.tolist() == [0]


def test_two_calls_are_bit_equal():
    sizes, speakers = batch([20, 33, 8])
    first, second = dialogue_edges(sizes, speakers), dialogue_edges(sizes, speakers)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_the_gpu_as_on_the_cpu():
    sizes, speakers = batch([20, 33, 8])
    ours = dialogue_edges(sizes.cuda(), speakers.cuda(), 4, 2)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(ours, dialogue_edges(sizes, speakers, 4, 2), strict=True))


def test_wrong_inputs_are_named():
    sizes, speakers = batch([3, 2])
    with pytest.raises(TypeError, match=r"lengths: expected int64 or int32, got torch\.float32"):
        dialogue_edges(sizes.float(), speakers)
    with pytest.raises(ValueError, match=r"lengths: expected a vector \[num_dialogues\] of at least one"):
        dialogue_edges(sizes[:0], speakers)
    with pytest.raises(ValueError, match="lengths: expected to add up to the 4 utterances, got 5"):
        dialogue_edges(sizes, speakers[:4])
    with pytest.raises(ValueError, match="lengths: expected to add up to the 5 utterances, got 4"):
        dialogue_edges(torch.tensor([3, 1]), speakers)
    with pytest.raises(ValueError, match="lengths: expected numbers of utterances, got -1"):
        dialogue_edges(torch.tensor([6, -1]), speakers)
    with pytest.raises(ValueError, match=r"speakers: expected a vector \[num_utterances\], got shape \(5, 1\)"):
        dialogue_edges(sizes, speakers[:, None])
    with pytest.raises(ValueError, match="past: expected a number of utterances, or -1 for all, got -2"):
        dialogue_edges(sizes, speakers, past=-2)
    with pytest.raises(ValueError, match="future: expected a number of utterances, or -1 for all, got -3"):
        dialogue_edges(sizes, speakers, future=-3)
    for wrong in ([0, 1, 2, 0, 0], [0, -1, 1, 0, 0]):
        with pytest.raises(ValueError, match=r"speakers: expected 0 to 1 \(num_speakers\), got"):
            speaker_pair_edges(sizes, torch.tensor(wrong))
