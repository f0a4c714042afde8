import json
from collections import Counter

import networkx as nx
import pytest

from graphml.data.conversation import GivenEventsLinker, read_reccon
from graphml.data.conversation.reccon import EMOTIONS

DOCUMENT = {
    "doc_id": 7,
    "doc_len": 4,
    "pairs": [[3, 1], [4, 1], [4, 3], [4, 4], [4, 1]],
    "clauses": [
        {"clause": "My dog died .", "clause_id": 1, "emotion_category": "neutral"},
        {"clause": "When ?", "clause_id": 2, "emotion_category": "neutral"},
        {"clause": "Yesterday .", "clause_id": 3, "emotion_category": "sad"},
        {"clause": "Poor thing !", "clause_id": 4, "emotion_category": "sadness"},
    ],
}


def write(folder, **documents):
    for name in ("train", "valid", "test"):
        content = json.dumps(documents.get(name, [DOCUMENT]))
        (folder / f"reccon_dailydialog_{name}.json").write_text(content, "utf-8")
    return folder


@pytest.fixture(scope="module")
def reccon(request):
    text = request.getfixturevalue("data_root").parent / "text"
    return read_reccon(text), [
        (split, json.loads((text / f"reccon_dailydialog_{name}.json").read_text("utf-8")))
        for split, name in (("train", "train"), ("val", "valid"), ("test", "test"))
    ]


def test_cause_and_those_it_moves_share_an_event(tmp_path):
    data = read_reccon(write(tmp_path))
    assert data.dialogues == ["train-7", "val-7", "test-7"]
    assert [u.event for u in data.utterances[:4]] == ["e1", "", "e1 e3", "e1 e3 e4"]
    assert [u.speaker for u in data.utterances[:4]] == ["A", "B", "A", "B"]
    assert [u.label for u in data.utterances[:4]] == ["neutral", "neutral", "sadness", "sadness"]
    assert data.utterances[0].text == "My dog died ."


def test_counts_of_the_real_files(reccon):
    data, _ = reccon
    assert {split: len(data.split(split)) for split in ("train", "val", "test")} == {
        "train": 834,
        "val": 47,
        "test": 225,
    }
    assert Counter(u.split for u in data.utterances) == {"train": 8206, "val": 493, "test": 2405}
    assert Counter(u.label for u in data.utterances) == {
        "neutral": 5243,
        "happiness": 4361,
        "surprise": 484,
        "anger": 451,
        "sadness": 351,
        "disgust": 140,
        "fear": 74,
    }
    assert data.classes == EMOTIONS


def test_links_of_the_real_files_are_causes_and_those_with_a_common_cause(reccon):
    data, files = reccon
    row = {(u.dialogue, u.utterance): number for number, u in enumerate(data.utterances)}
    graph = nx.Graph()  # utterances on one side, causes on the other
    for split, documents in files:
        for document in documents:
            for target, cause in document["pairs"]:
                name = f"{split}-{document['doc_id']}"
                graph.add_edge(row[name, str(target)], (name, cause))
                graph.add_edge(row[name, str(cause)], (name, cause))
    utterances = [node for node in graph if isinstance(node, int)]
    expected = nx.bipartite.projected_graph(graph, utterances)
    links = GivenEventsLinker()(data).edge_index.T.tolist()
    assert {tuple(edge) for edge in links} == set(expected.to_directed().edges)
    assert len(links) == 15310


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no reccon_dailydialog_train.json in .*datasets/reccon.md"):
        read_reccon(tmp_path)


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ({"tr_1": [[{"turn": 1, "utterance": "Hello"}]]}, "TypeError"),  # RECCON's original layout
        ([{"doc_id": 1, "pairs": []}], "KeyError: 'clauses'"),
        ([DOCUMENT | {"pairs": [[3, 5]]}], r"pair \[3, 5\] in a dialogue of 4 utterances"),
        ([DOCUMENT | {"pairs": [[3]]}], "ValueError"),
    ],
)
def test_other_layouts(tmp_path, documents, problem):
    with pytest.raises(ValueError, match=rf"reccon_dailydialog_valid.json: expected \[.*doc_id.*{problem}"):
        read_reccon(write(tmp_path, valid=documents))


def test_truncated_file(tmp_path):
    write(tmp_path)
    file = tmp_path / "reccon_dailydialog_test.json"
    file.write_text(file.read_text()[:100])
    with pytest.raises(ValueError, match=r"reccon_dailydialog_test.json: expected .*JSONDecodeError"):
        read_reccon(tmp_path)
