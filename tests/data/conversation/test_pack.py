"""From the table to tensors."""

import torch

from graphml.data.conversation import GivenEventsLinker, pack


def test_rows_labels_speakers_and_lengths_are_those_of_the_table(conversations) -> None:
    data = pack(conversations)
    assert data.lengths.tolist() == conversations.lengths.tolist()
    assert list(data.features) == ["text", "audio"]
    batch = data.select([3])
    rows = [number for number, u in enumerate(conversations.utterances) if u.dialogue == "d3"]
    assert batch.labels is not None
    assert batch.labels.tolist() == conversations.labels[rows].tolist()
    assert batch.speakers.tolist() == [0, 1, 0, 1, 0]
    torch.testing.assert_close(batch.features["audio"], torch.from_numpy(conversations.features["audio"][rows]))


def test_only_the_modalities_asked_for_and_there_are_taken(conversations) -> None:
    assert list(pack(conversations, ["audio", "visual"]).features) == ["audio"]


def test_links_move_with_their_dialogues(conversations) -> None:
    rows = [u._replace(event="e" if u.utterance in ("0", "3") else "") for u in conversations.utterances]
    linked = type(conversations)(rows, conversations.classes, conversations.features)
    batch = pack(linked, links=GivenEventsLinker()(linked)).select([5, 0])
    assert batch.links is not None
    start = int(batch.lengths[0])
    assert sorted(map(tuple, batch.links.edge_index.T.tolist())) == sorted(
        [(0, 3), (3, 0), (start, start + 3), (start + 3, start)]
    )
