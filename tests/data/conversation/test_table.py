"""The table of conversations: what it derives, and what it refuses."""

import math

import numpy as np
import pytest

from graphml.data.conversation import Conversations, Utterance

ROWS = [
    Utterance("a", "0", "Ann", label="sad", split="train"),
    Utterance("a", "1", "Bob", split="train"),
    Utterance("a", "2", "Ann", label="joy", split="train"),
    Utterance("b", "0", "Bob", label="joy", split="test"),
    Utterance("b", "1", "Ann", label="sad", split="test"),
]
CLASSES = ["sad", "joy"]
X = np.arange(10, dtype=np.float32).reshape(5, 2)


def test_what_the_table_derives():
    table = Conversations(ROWS, CLASSES, {"text": X})
    assert table.dialogues == ["a", "b"]
    assert table.lengths.tolist() == [3, 2]
    assert table.labels.tolist() == [0, -1, 1, 1, 0]
    assert table.speakers.tolist() == [0, 1, 0, 0, 1]  # counted anew in each dialogue
    assert [table.split(name).tolist() for name in ("train", "val", "test", "")] == [[0], [], [1], []]
    assert math.isnan(table.utterances[0].start)


def test_other_features():
    table = Conversations(ROWS, CLASSES, {"text": X})
    assert set(table.with_features({"audio": X}).features) == {"audio"}
    assert set(table.features) == {"text"}


def test_a_row_of_nan_lacks_the_modality():
    x = X.copy()
    x[1] = np.nan
    assert np.isnan(Conversations(ROWS, CLASSES, {"text": x}).features["text"][1]).all()


WRONG_ROWS = {
    "none": ([], "utterances: expected at least one"),
    "a dialogue in pieces": ([ROWS[0], ROWS[3], ROWS[1]], "a/1: expected the utterances of a dialogue together"),
    "an utterance twice": ([ROWS[0], ROWS[0]], "a/0: expected each utterance once"),
    "an unknown label": ([ROWS[0]._replace(label="bored")], "expected one of the emotions sad, joy, got 'bored'"),
    "an unknown split": ([ROWS[0]._replace(split="dev")], "expected a split train, val, test or none, got 'dev'"),
    "two splits": ([ROWS[0], ROWS[1]._replace(split="val")], "expected one split for the dialogue, got 'train', 'val'"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_wrong_rows_are_named(case):
    rows, message = WRONG_ROWS[case]
    with pytest.raises(ValueError, match=message):
        Conversations(rows, CLASSES)


def test_a_class_twice_is_refused():
    with pytest.raises(ValueError, match="classes: expected each emotion once, got sad, joy, sad"):
        Conversations(ROWS, [*CLASSES, "sad"])


def with_entry(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1] = value
    return x


WRONG_FEATURES = {
    "too few rows": (X[:4], r"expected float32 of shape \[5, F >= 1\], got float32 of \[4, 2\]"),
    "no channel": (X[:, :0], r"got float32 of \[5, 0\]"),
    "a vector": (X[:, 0], r"got float32 of \[5\]"),
    "doubles": (X.astype(np.float64), "got float64"),
    "an infinity": (with_entry(np.inf), "expected finite numbers.*in 1 rows, the first b/0"),
    "half a row of NaN": (with_entry(np.nan), "or a whole row of NaN.*the first b/0"),
}


@pytest.mark.parametrize("case", WRONG_FEATURES)
def test_wrong_features_are_named(case):
    x, message = WRONG_FEATURES[case]
    with pytest.raises(ValueError, match=rf"features\['text'\]: .*{message}"):
        Conversations(ROWS, CLASSES, {"text": x})


def test_the_dialogues_of_one_split_keep_their_features() -> None:
    rows = [Utterance(d, "0", "A", split=split) for d, split in (("a", "train"), ("b", "test"), ("c", "test"))]
    features = {"text": np.arange(3, dtype=np.float32).reshape(3, 1)}
    chosen = Conversations(rows, [], features).only("test")
    assert chosen.dialogues == ["b", "c"]
    assert chosen.features["text"].tolist() == [[1], [2]]
    with pytest.raises(ValueError, match="split: expected dialogues in the split 'val', got none"):
        chosen.only("val")


@pytest.mark.parametrize("name", ["text.minilm", "", "two words"])
def test_modalities_have_plain_names(name) -> None:
    features = {name: np.zeros((1, 2), dtype=np.float32)}
    with pytest.raises(ValueError, match="features: expected modalities named by letters, digits and _"):
        Conversations([Utterance("d", "0", "A")], [], features)
