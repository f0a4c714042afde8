"""Feature pickles: each layout on a small generated file, what differs from it, and the counts of the real ones."""

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest

from graphml.data.conversation.feature_pickles import IEMOCAP_CLASSES, MELD_CLASSES, read_feature_pickle
from graphml.data.conversation.unpickle import PickleFileError

SIZES = {"text": 3, "text2": 3, "text3": 3, "text4": 3, "audio": 2, "visual": 4}
ROBERTA = ["text", "text2", "text3", "text4"]
HEAD, MEDIA = ["ids", "speakers", "labels"], ["audio", "visual"]
IEMOCAP_LAYOUTS = {
    "IEMOCAP": [*HEAD, "text", *MEDIA, "sentences", "train", "test"],
    "COSMIC IEMOCAP": ["speakers", "labels", *ROBERTA, "sentences", "train", "test", "val"],
    "SDT IEMOCAP": [*HEAD, *ROBERTA, *MEDIA, "sentences", "train", "test"],
}
MELD_LAYOUTS = {
    "MELD": [*HEAD, "text", *MEDIA, "sentences", "train", "test", "sentiments"],
    "COSMIC MELD": ["speakers", "labels", "sentiments", *ROBERTA, "sentences", "train", "test", "val"],
    "SDT MELD": [*HEAD, *ROBERTA, *MEDIA, "sentences", "train", "test", "unread"],
    "GraphSmile MELD": [*HEAD, "sentiments", *ROBERTA, *MEDIA, "sentences", "train", "test", "unread"],
}


def iemocap() -> dict[str, object]:
    """Parts of a small IEMOCAP of 3 dialogues."""
    lengths = {"Ses02M_impro01": 2, "Ses01F_impro01": 3, "Ses05F_impro01": 1}
    parts = per_utterance(lengths)
    return {
        **parts,
        "ids": {key: [f"{key}_{'FM'[k % 2]}{k:03}" for k in range(n)] for key, n in lengths.items()},
        "speakers": {key: ["FM"[k % 2] for k in range(n)] for key, n in lengths.items()},
        "train": ["Ses02M_impro01", "Ses01F_impro01"],
        "test": ["Ses05F_impro01"],
    }


def meld() -> dict[str, object]:
    """Parts of a small MELD: dialogues 0 and 1038 of train, 1039 and 1152 of dev, 1153 of test."""
    lengths = {0: 2, 1038: 1, 1039: 3, 1152: 1, 1153: 2}
    return {
        **per_utterance(lengths),
        "ids": {key: [2 * k for k in range(n)] for key, n in lengths.items()},
        "speakers": {key: [np.eye(9, dtype=np.float32)[k] for k in range(n)] for key, n in lengths.items()},
        "sentiments": {key: [0] * n for key, n in lengths.items()},
        "train": [0, 1038, 1039, 1152],
        "test": [1153],
        "unread": {key: ["?"] * n for key, n in lengths.items()},
    }


def per_utterance(lengths: dict) -> dict[str, object]:
    rng = np.random.default_rng(0)
    vectors = {
        name: {key: list(rng.normal(size=(n, size)).astype(np.float32)) for key, n in lengths.items()}
        for name, size in SIZES.items()
    }
    return {
        **vectors,
        "labels": {key: [(k + 4) % 6 for k in range(n)] for key, n in lengths.items()},
        "sentences": {key: [f"{key}: {k}" for k in range(n)] for key, n in lengths.items()},
    }


def save(tmp_path: Path, layout: list[str], parts: dict[str, object], protocol: int = 2) -> Path:
    file = tmp_path / "features.pkl"
    file.write_bytes(pickle.dumps(tuple(parts[name] for name in layout), protocol))
    return file


@pytest.mark.parametrize("layout", IEMOCAP_LAYOUTS)
def test_each_layout_of_iemocap(tmp_path, layout):
    parts = iemocap()
    if layout == "COSMIC IEMOCAP":
        parts |= {"train": ["Ses02M_impro01"], "val": ["Ses01F_impro01"]}
    names = IEMOCAP_LAYOUTS[layout]
    read = read_feature_pickle(save(tmp_path, names, parts))
    assert read.classes == IEMOCAP_CLASSES
    assert read.dialogues == ["Ses02M_impro01", "Ses01F_impro01", "Ses05F_impro01"]  # train's order, then test
    assert read.lengths.tolist() == [2, 3, 1]
    val = [] if "val" not in names else [1]
    assert [read.split(split).tolist() for split in ("train", "val", "test")] == [[0] if val else [0, 1], val, [2]]
    assert [u.label for u in read.utterances] == ["excited", "frustrated"] * 1 + [
        "excited",
        "frustrated",
        "happy",
        "excited",
    ]
    assert [u.speaker for u in read.utterances] == ["Ses02_F", "Ses02_M", "Ses01_F", "Ses01_M", "Ses01_F", "Ses05_F"]
    assert read.utterances[3].utterance == ("Ses01F_impro01_M001" if "ids" in names else "1")
    assert read.utterances[3].text == "Ses01F_impro01: 1"
    for name in ("text", "audio", "visual"):
        if name not in names:
            assert name not in read.features
            continue
        expected = [vector for dialogue in read.dialogues for vector in parts[name][dialogue]]
        np.testing.assert_array_equal(read.features[name], expected)


@pytest.mark.parametrize("layout", MELD_LAYOUTS)
def test_each_layout_of_meld(tmp_path, layout):
    parts = meld()
    if layout == "COSMIC MELD":
        parts |= {"train": [0, 1038], "val": [1039, 1152]}
    names = MELD_LAYOUTS[layout]
    read = read_feature_pickle(save(tmp_path, names, parts))
    assert read.classes == MELD_CLASSES
    assert read.dialogues == ["0", "1038", "1039", "1152", "1153"]
    assert [read.split(split).tolist() for split in ("train", "val", "test")] == [[0, 1], [2, 3], [4]]
    assert [u.utterance for u in read.utterances[3:6]] == (["0", "2", "4"] if "ids" in names else ["0", "1", "2"])
    assert [u.speaker for u in read.utterances[3:6]] == ["0", "1", "2"]
    assert [u.label for u in read.utterances[3:6]] == ["joy", "disgust", "neutral"]
    assert set(read.features) == {"text", "audio", "visual"} & set(names)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_arrays_in_place_of_lists_and_sets_in_place_of_ids(tmp_path, protocol):
    parts = iemocap()
    parts["text"] = {key: np.array(vectors, dtype=np.float64) for key, vectors in parts["text"].items()}
    parts["labels"] = {key: np.array(labels) for key, labels in parts["labels"].items()}
    parts["train"], parts["test"] = set(parts["train"]), np.array(parts["test"])
    read = read_feature_pickle(save(tmp_path, IEMOCAP_LAYOUTS["IEMOCAP"], parts, protocol))
    assert read.dialogues == ["Ses01F_impro01", "Ses02M_impro01", "Ses05F_impro01"]  # a set has no order: sorted
    assert read.features["text"].dtype == np.float32


def test_a_modality_of_empty_vectors_is_absent_and_one_missing_vector_is_nan(tmp_path):
    parts = iemocap()
    parts["visual"] = {key: [np.zeros(0, np.float32)] * len(vectors) for key, vectors in parts["visual"].items()}
    parts["audio"]["Ses01F_impro01"][1] = np.zeros(0, np.float32)
    read = read_feature_pickle(save(tmp_path, IEMOCAP_LAYOUTS["IEMOCAP"], parts))
    assert set(read.features) == {"text", "audio"}
    assert np.isnan(read.features["audio"]).all(1).tolist() == [False, False, False, True, False, False]


def test_dialogues_of_no_split_stay_and_say_so(tmp_path):
    parts = iemocap() | {"train": ["Ses01F_impro01"]}
    read = read_feature_pickle(save(tmp_path, IEMOCAP_LAYOUTS["IEMOCAP"], parts))
    assert read.dialogues == ["Ses01F_impro01", "Ses05F_impro01", "Ses02M_impro01"]
    assert read.split("").tolist() == [2]


def test_other_corpora_of_cosmic_need_their_classes(tmp_path):
    layout = IEMOCAP_LAYOUTS["COSMIC IEMOCAP"]
    parts = meld() | {"val": [1039, 1152], "train": [0, 1038]}
    file = save(tmp_path, layout, parts)
    with pytest.raises(PickleFileError, match="name the emotions in the order of their numbers"):
        read_feature_pickle(file)
    read = read_feature_pickle(file, ["joyful", "mad", "peaceful", "neutral", "sad", "powerful", "scared"])
    assert read.utterances[0].label == "sad"


def changed(parts: dict, name: str, dialogue: str, position: int, value: object) -> dict:
    parts[name][dialogue][position] = value
    return parts


WRONG = {
    "a label out of range": (
        "labels",
        6,
        "labels, Ses01F_impro01/Ses01F_impro01_M001: expected a number from 0 to 5, got 6",
    ),
    "a negative label": ("labels", -1, "expected a number from 0 to 5, got -1"),
    "a label that is a number with a point": ("labels", 1.5, "expected a number from 0 to 5, got 1.5"),
    "a label of text": ("labels", "hap", "got 'hap'"),
    "a shorter vector": (
        "text",
        np.zeros(2),
        r"text, Ses01F_impro01/.*_M001: expected a vector of 3 numbers.*shape \[2\]",
    ),
    "a matrix": ("audio", np.zeros((1, 2)), r"expected a vector of 2 numbers.*shape \[1, 2\]"),
    "words": ("audio", np.array(["a", "b"]), "expected a vector of 2 numbers"),
    "half a vector missing": ("audio", np.array([np.nan, 1]), "a whole row of NaN"),
    "an infinite number": ("audio", np.array([np.inf, 1]), "expected finite numbers"),
    "a speaker of two places": ("speakers", np.ones(2), "expected a name or a one-hot vector"),
    "a speaker of no place": ("speakers", np.zeros(9), "expected a name or a one-hot vector"),
    "a sentence that is a number": ("sentences", 3, "expected names and sentences, got 'Ses01F_impro01_M001' and 3"),
    "a name that is a list": ("ids", [1], "expected names and sentences, got a list"),
    "a name twice": ("ids", "Ses01F_impro01_F000", "expected each utterance once"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_entries_are_named(tmp_path, case):
    name, value, message = WRONG[case]
    parts = changed(iemocap(), name, "Ses01F_impro01", 1, value)
    with pytest.raises(PickleFileError, match=rf"features\.pkl: .*{message}"):
        read_feature_pickle(save(tmp_path, IEMOCAP_LAYOUTS["IEMOCAP"], parts))


def test_wrong_lengths_and_ids_are_named(tmp_path):
    layout = IEMOCAP_LAYOUTS["IEMOCAP"]
    parts = iemocap()
    parts["audio"]["Ses01F_impro01"].pop()
    with pytest.raises(PickleFileError, match=r"audio\['Ses01F_impro01'\]: expected as many entries .* 3, got 2"):
        read_feature_pickle(save(tmp_path, layout, parts))
    parts = iemocap()
    del parts["text"]["Ses05F_impro01"]
    with pytest.raises(PickleFileError, match=r"text\['Ses05F_impro01'\]: expected a list, got NoneType"):
        read_feature_pickle(save(tmp_path, layout, parts))
    for test in (["Ses05M_impro01"], [["Ses05F_impro01"]], [None]):
        with pytest.raises(PickleFileError, match="test: expected dialogues that have labels"):
            read_feature_pickle(save(tmp_path, layout, iemocap() | {"test": test}))
    with pytest.raises(PickleFileError, match="test: expected each dialogue once, got 'Ses01F_impro01' twice"):
        read_feature_pickle(save(tmp_path, layout, iemocap() | {"test": ["Ses01F_impro01"]}))


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"train": []},
        (1, 2, 3),
        tuple({} for _ in range(9)),  # no ids of splits
        tuple([] for _ in range(9)),
        tuple({} for _ in range(15)),
        ({}, {}, {}, {}, {}, {}, [], [], {}),  # MELD_features_raw.pkl of DialogueRNN: without visual
    ],
)
def test_other_layouts_are_refused_with_the_known_ones(tmp_path, content):
    file = tmp_path / "features.pkl"
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(PickleFileError, match=r"features\.pkl: expected (one of the layouts \(ids, speakers|a tuple)"):
        read_feature_pickle(file)


def test_a_file_without_dialogues_is_an_error(tmp_path):
    layout = IEMOCAP_LAYOUTS["IEMOCAP"]
    empty = {name: [] if name in ("train", "test") else {} for name in layout}
    with pytest.raises(PickleFileError, match="expected at least one"):
        read_feature_pickle(save(tmp_path, layout, empty))


@pytest.fixture(scope="module")
def real_iemocap(data_root):
    return read_feature_pickle(data_root.parent / "erc" / "IEMOCAP_features.pkl")


@pytest.fixture(scope="module")
def real_meld(data_root):
    return read_feature_pickle(data_root.parent / "erc" / "MELD_features_raw1.pkl")


def supports(conversations, split):
    count = collections.Counter(u.label for u in conversations.utterances if u.split == split)
    return [count[name] for name in conversations.classes]


def sizes(conversations, split):
    chosen = conversations.split(split)
    return len(chosen), int(conversations.lengths[chosen].sum())


def test_counts_of_iemocap(real_iemocap):
    assert (len(real_iemocap.dialogues), len(real_iemocap.utterances)) == (151, 7433)
    assert [sizes(real_iemocap, split) for split in ("train", "val", "test", "")] == [
        (120, 5810),
        (0, 0),
        (31, 1623),
        (0, 0),
    ]
    assert supports(real_iemocap, "test") == [144, 245, 384, 170, 299, 381]
    assert collections.Counter(u.label for u in real_iemocap.utterances)["happy"] == 648
    assert (real_iemocap.lengths.min(), real_iemocap.lengths.max()) == (8, 110)
    assert len({u.speaker for u in real_iemocap.utterances}) == 10
    assert {u.dialogue[:5] for u in real_iemocap.utterances if u.split == "test"} == {"Ses05"}
    assert {name: x.shape[1] for name, x in real_iemocap.features.items()} == {"text": 384, "audio": 9}
    assert not any(np.isnan(x).any() for x in real_iemocap.features.values())


def test_speaker_of_an_iemocap_utterance_is_in_its_name(real_iemocap):
    assert all(u.utterance.rsplit("_", 1)[1][0] == u.speaker[-1] for u in real_iemocap.utterances)


def test_counts_of_meld(real_meld):
    assert [sizes(real_meld, split) for split in ("train", "val", "test", "")] == [
        (1038, 9989),
        (114, 1109),
        (280, 2610),
        (0, 0),
    ]
    assert supports(real_meld, "test") == [1256, 281, 50, 208, 402, 68, 345]
    assert real_meld.lengths.max() == 33
    assert real_meld.speakers.max() + 1 == 9
    assert {name: x.shape[1] for name, x in real_meld.features.items()} == {"text": 384}
    assert [int(u.speaker) for u in real_meld.utterances] == real_meld.speakers.tolist()  # counted as they come in
