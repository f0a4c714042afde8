import pytest
import torch

from graphml.data.samples import synthetic_dialogues


@pytest.mark.parametrize(
    ("corpus", "dialogues", "shortest", "longest", "mean", "speakers", "classes"),
    [("IEMOCAP", 151, 8, 110, 49.2, 2, 6), ("MELD", 1038, 1, 33, 9.6, 9, 7)],
)
def test_sizes_are_those_of_the_corpus(corpus, dialogues, shortest, longest, mean, speakers, classes):
    data = synthetic_dialogues(corpus, {"text": 3})
    assert len(data) == dialogues
    assert shortest <= int(data.lengths.min()) < mean / 2
    assert 2 * mean < int(data.lengths.max()) <= longest
    assert abs(float(data.lengths.double().mean()) - mean) < 0.1 * mean
    assert int(data.speakers.max()) == speakers - 1
    assert int(data.labels.max()) == classes - 1
    for number in range(0, dialogues, 10):
        people = data.select([number]).speakers
        assert people[0] == 0
        assert people.min() >= 0


def test_speakers_take_turns():
    data = synthetic_dialogues("IEMOCAP", {})
    batch = data.select(range(len(data)))
    inside = batch.position[1:] > 0
    assert abs(float((batch.speakers.diff() != 0)[inside].double().mean()) - 0.7) < 0.03


def test_the_seed_gives_the_dialogues():
    one, same, other = (synthetic_dialogues("MELD", {"text": 2}, seed) for seed in (1, 1, 2))
    assert torch.equal(one.features["text"], same.features["text"])
    assert torch.equal(one.speakers, same.speakers)
    assert not torch.equal(one.lengths, other.lengths)
    assert {name: x.size(1) for name, x in synthetic_dialogues().features.items()} == {
        "text": 1024,
        "audio": 1582,
        "video": 342,
    }


def test_unknown_corpus():
    with pytest.raises(ValueError, match="corpus: expected one of IEMOCAP, MELD, got 'iemocap'"):
        synthetic_dialogues("iemocap")
