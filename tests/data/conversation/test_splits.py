"""Splits by dialogue."""

import pytest

from graphml.data.conversation.splits import assign_splits, move_to_validation, random_dialogue_split


def sizes(conversations) -> list[int]:
    return [len(conversations.split(name)) for name in ("train", "val", "test")]


def test_random_splits_take_whole_dialogues_and_depend_on_the_seed_alone(make_conversations) -> None:
    given = make_conversations(20, splits=())
    first, again, other = (random_dialogue_split(given, 0.1, 0.25, seed) for seed in (0, 0, 1))
    assert sizes(first) == [13, 2, 5]
    assert first.utterances == again.utterances
    assert first.utterances != other.utterances
    assert [u._replace(split="") for u in first.utterances] == list(given.utterances)


@pytest.mark.parametrize(
    ("val", "test", "message"),
    [
        (0.0, 0.2, r"val_fraction: expected a share in \(0, 1\), got 0.0"),
        (0.2, 1.0, r"test_fraction: expected a share in \(0, 1\), got 1.0"),
        (0.5, 0.5, "2 and 2 of 4 dialogues are taken"),
    ],
)
def test_shares_that_leave_nothing_are_refused(make_conversations, val, test, message) -> None:
    with pytest.raises(ValueError, match=message):
        random_dialogue_split(make_conversations(4, splits=()), val, test, 0)


def test_dialogues_move_to_validation_and_the_others_stay(conversations) -> None:
    moved = move_to_validation(conversations, {"d0", "d4"})
    assert sizes(conversations) == [6, 3, 3]
    assert sizes(moved) == [4, 5, 3]
    assert {u.split for u in moved.utterances if u.dialogue == "d4"} == {"val"}
    assert assign_splits(conversations, lambda name: None).utterances == list(conversations.utterances)
