"""Text encoders against scikit-learn, and against tiny models in place of the optional packages."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from graphml.data.features import HuggingFaceEncoder, SentenceTransformerEncoder, TfidfSvd, load_extractor

TRAIN = ["I am so glad", "I am so sad today", "what a sad day", "glad to see you", "leave me alone", "a glad day"]


def test_tfidf_is_scikit_learns_pipeline():
    marks = r"(?u)\b\w+\b|[!?]+|\.\.+"
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode", token_pattern=marks)
    weights = vectorizer.fit_transform(TRAIN)
    svd = TruncatedSVD(4, random_state=0).fit(weights)
    new = ["so sad a day", "Glad!"]
    expected = normalize(svd.transform(vectorizer.transform(new)))
    found = TfidfSvd(dim=4).fit(TRAIN).extract(new)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tfidf_hears_marks():
    plain, loud = TfidfSvd(dim=4).fit(["so glad", "so glad!", "so sad!!", "really?"]).extract(["so glad", "so glad!"])
    assert not np.allclose(plain, loud)


def test_tfidf_knows_training_words_only():
    assert not TfidfSvd(dim=3).fit(TRAIN).extract(["unheard words", "..."]).any()


def test_tfidf_gives_fewer_features_than_asked_where_the_corpus_is_small():
    assert TfidfSvd(dim=128).fit(TRAIN).extract(["glad"]).shape == (1, 6)
    assert TfidfSvd(dim=128, max_terms=2).fit(TRAIN).extract(["glad"]).shape == (1, 2)


def test_tfidf_of_no_sentences_is_empty():
    assert TfidfSvd(dim=3).fit(TRAIN).extract([]).shape == (0, 3)


def test_tfidf_is_repeatable_and_rebuilt_bit_by_bit_without_a_pickle(tmp_path: Path):
    first, second = TfidfSvd(dim=4).fit(TRAIN), TfidfSvd(dim=4).fit(TRAIN)
    np.testing.assert_array_equal(first.extract(TRAIN), second.extract(TRAIN))
    torch.save(first.state(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert set(state) == {"kind", "dim", "max_terms", "seed", "vocabulary", "idf", "components"}
    new = [*TRAIN, "so sad a day", "nothing known"]
    np.testing.assert_array_equal(load_extractor(state).extract(new), first.extract(new))


def test_tfidf_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="dim, max_terms: expected 1 or more, got 0"):
        TfidfSvd(0)
    with pytest.raises(ValueError, match="expected some words, got 2 sentences without any"):
        TfidfSvd().fit([".", "-"])
    for call in (lambda: TfidfSvd().extract(TRAIN), lambda: TfidfSvd().state()):
        with pytest.raises(RuntimeError, match=r"call fit\(training sentences\) first"):
            call()


@pytest.mark.parametrize(
    ("module", "encoder"),
    [("sentence_transformers", SentenceTransformerEncoder("m")), ("transformers", HuggingFaceEncoder("m"))],
)
def test_a_missing_package_names_both_ways_to_install(module, encoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)  # what an import then raises is what it raises where it is missing
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'graphml-torch\[text\]', or: conda install"):
        encoder.extract(["hello"])


def fake_sentence_transformers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    loaded: list[str] = []

    class SentenceTransformer:
        def __init__(self, name: str) -> None:
            loaded.append(name)

        def encode(self, sentences: list[str], batch_size: int, show_progress_bar: bool) -> np.ndarray:
            return np.array([[len(s), s.count(" ")] for s in sentences], np.float64)

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return loaded


def test_sentence_transformers_are_loaded_once_and_rebuilt_by_name(monkeypatch: pytest.MonkeyPatch):
    loaded = fake_sentence_transformers(monkeypatch)
    encoder = load_extractor(SentenceTransformerEncoder("tiny").state())
    assert loaded == []  # nothing is loaded, or downloaded, before it is used
    encoder.extract(["x"])
    found = encoder.extract(["a b", "cde f g"])
    assert found.dtype == np.float32
    assert found.tolist() == [[3, 1], [7, 2]]
    assert loaded == ["tiny"]


class TinyTransformer(torch.nn.Module):
    """A state of two values a token: its number, and its place."""

    device = torch.device("cpu")

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        place = torch.arange(input_ids.size(1)).expand_as(input_ids)
        return SimpleNamespace(last_hidden_state=torch.stack([input_ids, place], dim=-1).float())


def tiny_tokenizer(batch: list[str], padding: bool, truncation: bool, return_tensors: str) -> dict[str, torch.Tensor]:
    assert padding
    assert truncation
    assert return_tensors == "pt"
    numbers = [torch.tensor([7, *(len(word) for word in text.split())]) for text in batch]
    there = [torch.ones_like(n) for n in numbers]
    pad = torch.nn.utils.rnn.pad_sequence
    return {"input_ids": pad(numbers, True, 99), "attention_mask": pad(there, True)}


class Tokens(dict):
    def to(self, device: torch.device) -> "Tokens":
        return self


@pytest.mark.parametrize(("pooling", "expected"), [("mean", [[4, 1], [4, 0.5]]), ("cls", [[7, 0], [7, 0]])])
def test_hugging_face_states_are_pooled_over_the_tokens_that_are_there(pooling, expected, monkeypatch):
    module = ModuleType("transformers")
    module.AutoTokenizer = SimpleNamespace(from_pretrained=lambda name: lambda *a, **k: Tokens(tiny_tokenizer(*a, **k)))
    module.AutoModel = SimpleNamespace(from_pretrained=lambda name: TinyTransformer())
    monkeypatch.setitem(sys.modules, "transformers", module)
    encoder = load_extractor(HuggingFaceEncoder("tiny", pooling).state())
    found = encoder.extract(["aa bbb", "c"] * 40)  # three batches
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected * 40)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="pooling: expected 'mean' or 'cls', got 'max'"):
        HuggingFaceEncoder("tiny", "max")
