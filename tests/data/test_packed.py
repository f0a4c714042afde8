import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from torch_geometric.utils import to_dense_batch

from graphml.data import AddDialogueEdges, PackedDialogues
from graphml.ops import dialogue_edges, speaker_pair_direction

LENGTHS = [3, 1, 7, 2, 5]


def dialogues(lengths: list[int] = LENGTHS, seed: int = 0) -> dict:
    """Dialogues one by one: speakers, two modalities and labels."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "speakers": [torch.randint(3, (n,), generator=generator) for n in lengths],
        "features": {
            "text": [torch.randn(n, 4, generator=generator) for n in lengths],
            "audio": [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in lengths],
        },
        "labels": [torch.randint(6, (n,), generator=generator) for n in lengths],
    }


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4], [4, 2], [1], [2, 2, 0]])
def test_selection_is_the_concatenation_of_its_dialogues(index):
    parts = dialogues()
    batch = PackedDialogues.from_dialogues(**parts).select(index)
    assert batch.index.tolist() == index
    assert batch.lengths.tolist() == [LENGTHS[i] for i in index]
    assert torch.equal(batch.speakers, torch.cat([parts["speakers"][i] for i in index]))
    assert torch.equal(batch.labels, torch.cat([parts["labels"][i] for i in index]))
    for name, modality in parts["features"].items():
        assert torch.equal(batch.features[name], torch.cat([modality[i] for i in index]))
    assert batch.position.tolist() == [place for i in index for place in range(LENGTHS[i])]
    assert batch.batch.tolist() == [number for number, i in enumerate(index) for _ in range(LENGTHS[i])]
    assert batch.offsets.diff().tolist() == batch.lengths.tolist()
    assert (batch.num_dialogues, batch.num_utterances) == (len(index), int(batch.lengths.sum()))


def test_batch_vector_gives_the_padded_form():
    parts = dialogues()
    batch = PackedDialogues.from_dialogues(**parts).select([2, 0, 4])
    padded, mask = to_dense_batch(batch.features["text"], batch.batch)
    assert torch.equal(padded, pad_sequence([parts["features"]["text"][i] for i in (2, 0, 4)], batch_first=True))
    assert mask.sum(1).tolist() == batch.lengths.tolist()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_indices_have_the_type_of_the_lengths(dtype):
    data = PackedDialogues(torch.tensor(LENGTHS, dtype=dtype), torch.zeros(18, dtype=torch.long), {})
    batch = AddDialogueEdges()(data.select(torch.tensor([3, 4])))
    assert {t.dtype for t in (batch.lengths, batch.offsets, batch.batch, batch.position, *batch.edges)} == {dtype}


def test_labels_may_be_absent_and_may_be_vectors():
    parts = dialogues()
    assert PackedDialogues.from_dialogues(parts["speakers"], parts["features"]).select([1]).labels is None
    many = [torch.rand(n, 3) for n in LENGTHS]
    batch = PackedDialogues.from_dialogues(parts["speakers"], {}, many).select([4])
    assert torch.equal(batch.labels, many[4])


def test_it_is_a_dataset_of_dialogues():
    data = PackedDialogues.from_dialogues(**dialogues())
    assert len(data) == 5
    assert data.num_utterances == 18
    assert torch.equal(data[2].speakers, data.select([2]).speakers)


def test_edges_are_those_of_the_selected_dialogues():
    batch = PackedDialogues.from_dialogues(**dialogues()).select([4, 0])
    ours = AddDialogueEdges(2, -1, scheme=speaker_pair_direction)(batch).edges
    expected = dialogue_edges(torch.tensor([5, 3]), batch.speakers, 2, -1, speaker_pair_direction)
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    assert batch.edges is None


def test_moving_and_casting():
    data = PackedDialogues.from_dialogues(**dialogues())
    batch = AddDialogueEdges()(data.select([0, 1]))
    assert batch.to("cpu") is batch
    meta = batch.to("meta")
    assert {t.device.type for t in (meta.speakers, meta.labels, meta.features["text"], *meta.edges)} == {"meta"}
    assert torch.equal(data.to("cpu").select([3]).speakers, data.select([3]).speakers)


def test_wrong_sizes_are_named():
    parts = dialogues()
    with pytest.raises(
        ValueError, match=r"labels: expected dialogues of \[3, 1, 7, 2, 5\] utterances, got \[3, 1, 7\]"
    ):
        PackedDialogues.from_dialogues(parts["speakers"], parts["features"], parts["labels"][:3])
    with pytest.raises(ValueError, match=r"features\['text'\]: expected dialogues of .* utterances, got \[3\]"):
        PackedDialogues.from_dialogues(parts["speakers"], {"text": parts["features"]["text"][:1]})
    with pytest.raises(ValueError, match="speakers: expected at least one dialogue, got none"):
        PackedDialogues.from_dialogues([], {})
    speakers = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match=r"features\['text'\]: expected a row for each of the 3 utterances, got shape"):
        PackedDialogues(torch.tensor([3]), speakers, {"text": torch.zeros(4, 1)})
    with pytest.raises(ValueError, match=r"speakers: expected a row for each of the 4 utterances, got shape \(3,\)"):
        PackedDialogues(torch.tensor([4]), speakers, {})
    with pytest.raises(ValueError, match=r"speakers: expected a vector \[num_utterances\], got shape \(3, 1\)"):
        PackedDialogues(torch.tensor([3]), speakers[:, None], {})
    with pytest.raises(ValueError, match="lengths: expected at least 1 utterance in each, got 0"):
        PackedDialogues(torch.tensor([3, 0]), speakers, {})
    with pytest.raises(TypeError, match="lengths: expected int64 or int32"):
        PackedDialogues(torch.tensor([3.0]), speakers, {})
    with pytest.raises(ValueError, match=r"features\['text'\]: expected to lie on cpu as lengths does, got meta"):
        PackedDialogues(torch.tensor([3]), speakers, {"text": torch.zeros(3, 1, device="meta")})


def test_wrong_index_is_named():
    data = PackedDialogues.from_dialogues(**dialogues())
    for index in ([5], [-1, 0]):
        with pytest.raises(ValueError, match="index: expected dialogues 0 to 4, got"):
            data.select(index)
    for empty in ([], [[0]]):
        with pytest.raises(ValueError, match="index: expected a vector of at least one dialogue"):
            data.select(empty)
