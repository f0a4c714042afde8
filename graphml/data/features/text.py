"""Features of what is said: TF-IDF with SVD, sentence-transformers, and frozen Hugging Face models."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

INSTALL = "pip install 'graphml-torch[text]', or: conda install -c conda-forge sentence-transformers"
BATCH = 32


class TfidfSvd:
    """Latent semantic analysis: words and pairs of words weighted by TF-IDF, reduced by a truncated SVD, length 1.

    Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 41(6), 1990. Needs no download. Fit it on the
    training sentences alone, so that test words weigh nothing.

    Args:
        dim: Features at most; a corpus of fewer terms or sentences gives fewer.
        max_terms: How many terms, the most frequent first.
        seed: Of the randomised SVD (Halko et al., SIAM Review 53(2), 2011).

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> TfidfSvd(dim=2).fit(["so glad", "so sad", "very sad"]).extract(["so glad"]).shape
        (1, 2)
    """

    kind = "tfidf"
    column = "text"

    def __init__(self, dim: int = 128, max_terms: int = 10_000, seed: int = 0) -> None:
        if min(dim, max_terms) < 1:
            raise ValueError(f"dim, max_terms: expected 1 or more, got {dim}, {max_terms}")
        self.dim, self.max_terms, self.seed = dim, max_terms, seed
        self._vectorizer: TfidfVectorizer | None = None
        self._components = np.empty((0, 0), np.float32)

    def fit(self, sentences: Sequence[str]) -> Self:
        """Learn the terms, their weights and the directions.

        Args:
            sentences: Training sentences.

        Returns:
            The extractor itself.

        Raises:
            ValueError: If the sentences hold no word of two letters or more.
        """
        vectorizer = _vectorizer(max_features=self.max_terms)
        try:
            weights = vectorizer.fit_transform(sentences)
        except ValueError as error:
            raise ValueError(f"sentences: expected some words, got {len(sentences)} sentences without any") from error
        svd = TruncatedSVD(min(self.dim, *weights.shape), random_state=self.seed).fit(weights)
        self._vectorizer, self._components = vectorizer, svd.components_.astype(np.float32)
        return self

    def extract(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of sentences.

        Args:
            sentences: n sentences.

        Returns:
            ``[n, F]``; zeros for a sentence without any known term.

        Raises:
            RuntimeError: If nothing was fitted.
        """
        if self._vectorizer is None:
            raise RuntimeError("expected a fitted TfidfSvd: call fit(training sentences) first")
        if not len(sentences):
            return np.empty((0, len(self._components)), np.float32)
        return np.asarray(normalize(self._vectorizer.transform(sentences) @ self._components.T), np.float32)

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this extractor: plain values, the terms, their weights and the directions.

        Raises:
            RuntimeError: If nothing was fitted.
        """
        if self._vectorizer is None:
            raise RuntimeError("expected a fitted TfidfSvd: call fit(training sentences) first")
        return {
            "kind": self.kind,
            "dim": self.dim,
            "max_terms": self.max_terms,
            "seed": self.seed,
            "vocabulary": self._vectorizer.get_feature_names_out().tolist(),
            "idf": torch.from_numpy(self._vectorizer.idf_.copy()),
            "components": torch.from_numpy(self._components.copy()),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an extractor.

        Args:
            state: What :meth:`state` returned.
        """
        extractor = cls(state["dim"], state["max_terms"], state["seed"])
        extractor._vectorizer = _vectorizer(vocabulary=state["vocabulary"])
        extractor._vectorizer.idf_ = state["idf"].numpy()
        extractor._components = state["components"].numpy()
        return extractor


class SentenceTransformerEncoder:
    """Sentence embeddings of a frozen sentence-transformers model (Reimers and Gurevych, EMNLP 2019).

    The model is loaded when it is first used; one that is named, not a folder, is then downloaded by Hugging Face.

    Args:
        name_or_path: Such as "all-MiniLM-L6-v2", or a folder.
    """

    kind = "sentence-transformers"
    column = "text"

    def __init__(self, name_or_path: str) -> None:
        self.name_or_path = str(name_or_path)
        self._model: Any = None

    def extract(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of sentences.

        Args:
            sentences: n sentences.

        Returns:
            ``[n, F]``.

        Raises:
            ModuleNotFoundError: If sentence-transformers is not installed.
        """
        if self._model is None:
            try:
                from sentence_transformers import SentenceTransformer
            except ModuleNotFoundError as error:
                raise _missing("sentence-transformers") from error
            self._model = SentenceTransformer(self.name_or_path)
        return np.asarray(self._model.encode(list(sentences), batch_size=BATCH, show_progress_bar=False), np.float32)

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this encoder: the model's name; its weights stay where they are."""
        return {"kind": self.kind, "name_or_path": self.name_or_path}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an encoder.

        Args:
            state: What :meth:`state` returned.
        """
        return cls(state["name_or_path"])


class HuggingFaceEncoder:
    """Token states of a frozen Hugging Face encoder, pooled.

    The model is loaded when it is first used; one that is named, not a folder, is then downloaded by Hugging Face.

    Args:
        name_or_path: Such as "roberta-base", or a folder.
        pooling: "mean" over the tokens of a sentence, or "cls" for the state of its first token.

    Raises:
        ValueError: If the pooling is neither.
    """

    kind = "hf"
    column = "text"

    def __init__(self, name_or_path: str, pooling: Literal["mean", "cls"] = "mean") -> None:
        if pooling not in ("mean", "cls"):
            raise ValueError(f"pooling: expected 'mean' or 'cls', got {pooling!r}")
        self.name_or_path, self.pooling = str(name_or_path), pooling
        self._tokenizer: Any = None
        self._model: Any = None

    @torch.no_grad()
    def extract(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return the pooled last states of sentences; what a model cannot take in at its end is cut off.

        Args:
            sentences: n sentences, at least one.

        Returns:
            ``[n, F]``.

        Raises:
            ModuleNotFoundError: If transformers is not installed.
        """
        if self._model is None:
            self._load()
        batches = [list(sentences[at : at + BATCH]) for at in range(0, len(sentences), BATCH)]
        return np.concatenate([self._pooled(batch) for batch in batches])

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this encoder: the model's name and the pooling; its weights stay where they are."""
        return {"kind": self.kind, "name_or_path": self.name_or_path, "pooling": self.pooling}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an encoder.

        Args:
            state: What :meth:`state` returned.
        """
        return cls(state["name_or_path"], state["pooling"])

    def _load(self) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ModuleNotFoundError as error:
            raise _missing("transformers") from error
        self._tokenizer = AutoTokenizer.from_pretrained(self.name_or_path)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = AutoModel.from_pretrained(self.name_or_path).to(device).eval()

    def _pooled(self, batch: list[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(batch, padding=True, truncation=True, return_tensors="pt").to(self._model.device)
        states = self._model(**tokens).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            there = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            pooled = (states * there).sum(dim=1) / there.sum(dim=1)
        return np.asarray(pooled.float().cpu().numpy())


def _vectorizer(**options: Any) -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode", **options)


def _missing(package: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"{package} is not installed, and this text encoder needs it. Install it: {INSTALL}")
