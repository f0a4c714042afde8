import itertools
import math
from collections import Counter

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from graphml.data import PackedDialogues
from graphml.data.conversation import (
    Conversations,
    EmbeddingLinker,
    EventLinker,
    GivenEventsLinker,
    SharedWordsLinker,
    Utterance,
)

WORDS = ["harbour", "kitchen", "letter", "garden", "violin", "train", "doctor", "the", "of"]


def conversations(lengths=(7, 1, 12, 5), texts=None, splits=None, events=None):
    names = [(f"d{d}", str(u)) for d, length in enumerate(lengths) for u in range(length)]
    rows = [
        Utterance(
            dialogue,
            utterance,
            "A",
            text=texts[n] if texts else "",
            event=events[n] if events else "",
            split=splits[int(dialogue[1:])] if splits else "",
        )
        for n, (dialogue, utterance) in enumerate(names)
    ]
    return Conversations(rows, [])


def random_texts(number, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 6))) for _ in range(number)]


def brute_force(data, similarity, threshold, max_links):
    """{(source, target): weight} by loops over all pairs."""
    dialogue = [u.dialogue for u in data.utterances]
    near = {}
    for i, j in itertools.permutations(range(len(dialogue)), 2):
        if dialogue[i] == dialogue[j] and similarity[i, j] > threshold:
            near.setdefault(i, []).append(j)
    best = {
        i: set(sorted(js, key=lambda j: (-round(similarity[i, j], 9), abs(i - j), j))[:max_links])
        for i, js in near.items()
    }
    return {(i, j): similarity[i, j] for i in best for j in best[i] if i in best.get(j, set())}


def check(links, expected):
    assert links.edge_index.dtype == torch.int64
    assert links.weight.dtype == torch.float32
    edges = [tuple(edge) for edge in links.edge_index.T.tolist()]
    assert edges == sorted(edges, key=lambda edge: (edge[1], edge[0]))
    assert set(edges) == set(expected)
    assert len(edges) == len(expected)
    for edge, weight in zip(edges, links.weight.tolist(), strict=True):
        assert weight == pytest.approx(expected[edge], abs=1e-6)
        assert 0 < weight <= 1


@pytest.mark.parametrize(("threshold", "max_links"), [(0.0, 20), (0.1, 3), (0.45, 1), (0.9, 2)])
def test_shared_words_are_those_of_all_pairs(threshold, max_links):
    texts = random_texts(25)
    data = conversations(texts=texts)
    x = TfidfVectorizer(stop_words=["the", "of"]).fit_transform(texts)
    expected = brute_force(data, cosine_similarity(x), threshold, max_links)
    links = SharedWordsLinker(threshold, max_links)(data)
    check(links, expected)
    assert links.weight.numel() > 0


def test_frequencies_of_words_come_from_the_training_split():
    texts = random_texts(25)
    data = conversations(texts=texts, splits=["test", "val", "train", "train"])
    content = [[word for word in text.split() if word not in ("the", "of")] for text in texts]
    documents = Counter(word for document in content[8:] for word in set(document))
    idf = {word: math.log((1 + 17) / (1 + documents[word])) + 1 for word in WORDS}
    x = np.array([[document.count(word) * idf[word] for word in WORDS] for document in content])
    check(SharedWordsLinker(0.2, 3)(data), brute_force(data, cosine_similarity(x), 0.2, 3))


def test_a_word_that_training_does_not_know_links_most():
    texts = ["the kitchen", "a kitchen", "zeppelin violin", "zeppelin kitchen", "violin kitchen"]
    data = conversations((2, 3), texts, ["train", "test"])
    edges, weights = SharedWordsLinker(0)(data)
    weight = dict(zip(map(tuple, edges.T.tolist()), weights.tolist(), strict=True))
    assert weight[2, 3] > weight[3, 4]
    assert weight[2, 3] == pytest.approx(weight[2, 4])  # "violin" is as unknown as "zeppelin"


def test_stop_words():
    texts = ["oh yeah , don't you ?", "yeah , I don't .", "the letter", "of the letter"]
    data = conversations((4,), texts)
    assert SharedWordsLinker(0)(data).edge_index.tolist() == [[3, 2], [2, 3]]
    assert (0, 1) in {tuple(edge) for edge in SharedWordsLinker(0, stop_words=[])(data).edge_index.T.tolist()}
    assert SharedWordsLinker(0, stop_words=["letter"])(data).edge_index[:, -1].tolist() == [2, 3]
    silent = SharedWordsLinker()(conversations((2,), ["the", "of the"]))
    assert silent.edge_index.shape == (2, 0)
    assert silent.weight.shape == (0,)


def test_no_utterance_has_more_links_than_allowed_and_ties_go_to_the_nearest():
    data = conversations((9,), ["violin"] * 9)
    links = SharedWordsLinker(max_links=2)(data)
    assert torch.bincount(links.edge_index[1]).max() == 2
    inner = links.edge_index[0][links.edge_index[1] == 4].tolist()
    assert inner == [3, 5]


@pytest.mark.parametrize(("threshold", "max_links"), [(0.0, 20), (0.2, 3), (0.5, 1)])
def test_embeddings_are_those_of_all_pairs(threshold, max_links):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((25, 4)) + 3).astype(np.float32)
    data = conversations(splits=["test", "train", "train", "val"]).with_features({"text": x})
    expected = brute_force(data, cosine_similarity(x - x[7:20].mean(0)), threshold, max_links)
    links = EmbeddingLinker("text", threshold, max_links)(data)
    check(links, expected)
    assert links.weight.numel() > 0


def test_missing_and_average_embeddings_are_not_linked():
    x = np.array([[1, 0], [np.nan, np.nan], [1, 0], [0, 0], [-2, 0]], dtype=np.float32)
    assert EmbeddingLinker()(conversations((5,)).with_features({"text": x})).edge_index.tolist() == [[2, 0], [0, 2]]
    apart = conversations((2, 3)).with_features({"text": x})
    assert EmbeddingLinker()(apart).edge_index.shape == (2, 0)


def test_given_events_are_the_projection_of_a_bipartite_graph():
    rng = np.random.default_rng(0)
    events = [" ".join(rng.choice(["e1", "e2", "e3", "e4"], rng.integers(0, 3))) for _ in range(25)]
    data = conversations(events=events)
    graph = nx.Graph()
    graph.add_nodes_from(range(25))
    graph.add_edges_from((n, (u.dialogue, e)) for n, u in enumerate(data.utterances) for e in u.event.split())
    projected = nx.bipartite.projected_graph(graph, range(25)).to_directed()
    check(GivenEventsLinker()(data), dict.fromkeys(projected.edges, 1.0))


def test_default_takes_words_else_embeddings():
    x = np.eye(25, 3, dtype=np.float32)
    silent = conversations().with_features({"text": x})
    spoken = conversations(texts=random_texts(25)).with_features({"text": x})
    for data, linker in ((silent, EmbeddingLinker()), (spoken, SharedWordsLinker())):
        for part, expected in zip(EventLinker()(data), linker(data), strict=True):
            assert torch.equal(part, expected)
    assert EventLinker(words=GivenEventsLinker()).words.__class__ is GivenEventsLinker
    with pytest.raises(ValueError, match="expected features 'text' in the conversations, got none"):
        EventLinker()(conversations())


def test_links_pack():
    data = conversations(texts=random_texts(25))
    lengths, speakers = torch.from_numpy(data.lengths), torch.from_numpy(data.speakers)
    batch = PackedDialogues(lengths, speakers, {}, links=EventLinker()(data)).select([2])
    assert batch.links.weight.numel() > 0
    assert int(batch.links.edge_index.max()) < 12


@pytest.mark.parametrize("linker", [SharedWordsLinker, EmbeddingLinker])
def test_wrong_numbers(linker):
    for threshold in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"threshold: expected a cosine in \[0, 1\), got"):
            linker(threshold=threshold)
    with pytest.raises(ValueError, match="max_links: expected at least 1, got 0"):
        linker(max_links=0)


def test_conversations_without_what_a_linker_needs():
    with pytest.raises(ValueError, match="stop_words: expected 'english' or a list of words, got 'german'"):
        SharedWordsLinker(stop_words="german")
    with pytest.raises(ValueError, match="expected utterances with a text, got none; use EmbeddingLinker"):
        SharedWordsLinker()(conversations())
    with pytest.raises(ValueError, match="expected utterances that name an event, got none; use EventLinker"):
        GivenEventsLinker()(conversations())
    audio = conversations((2,)).with_features({"audio": np.ones((2, 1), dtype=np.float32)})
    with pytest.raises(ValueError, match="modality: expected features 'text' in the conversations, got audio"):
        EmbeddingLinker()(audio)
    nowhere = conversations((2,)).with_features({"text": np.full((2, 1), np.nan, dtype=np.float32)})
    with pytest.raises(ValueError, match=r"features\['text'\]: expected some in the training split, got none"):
        EmbeddingLinker()(nowhere)
