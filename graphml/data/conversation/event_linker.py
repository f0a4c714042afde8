"""Latent event relations: links between utterances of a dialogue that speak of the same thing.

DER-GCN (Ai et al., TNNLS 2024, arXiv 2312.10579) joins utterances that belong to the same event, but does not publish
how it finds events. What stands here is a choice of this library: an utterance is linked to those that share its rare
words, or whose embeddings are alike, anywhere in the dialogue. A linker is any callable of the form of `Linker`; a
class of them that has ``fit``, ``state`` and ``from_state`` too, as those here, links in annotation as in training.
"""

import copy
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer
from sklearn.preprocessing import normalize

from graphml.data.conversation.table import Conversations
from graphml.ops import DialogueLinks

# What speech has and scikit-learn's list of written words lacks: interjections, and the stumps of contractions.
SPOKEN_STOP_WORDS = (
    "ah aha aren couldn didn doesn don er gonna gotta hadn hasn haven hello hey hi hmm huh isn just ll mm mmm oh ok "
    "okay ooh really shouldn uh uhh um umm ve wanna wasn weren whoa wouldn wow yeah yep yes"
)


class Linker(Protocol):
    """What finds links between the utterances of a table, within each dialogue."""

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links.

        Args:
            conversations: N utterances.

        Returns:
            Edges ``[2, E]`` int64 between utterances 0 to N - 1 of the same dialogue, both directions of a link and
            none from an utterance to itself, sorted by target, then source; weights ``[E]`` float32 in (0, 1].
        """


class SharedWordsLinker:
    """Links utterances that share content words.

    The weight is the cosine of the utterances' tf-idf vectors, so that a rare word that two utterances share counts
    more than a common one. The inverse document frequencies come from the training split, or from all utterances where
    there is none, of the conversations that were fitted, else of those to link; a word that is not there counts as the
    rarest.

    Args:
        threshold: Links have a larger cosine than this, in [0, 1).
        max_links: At most so many links an utterance: a link stays if it is among the strongest of both its ends (of
            equal ones those to nearer utterances).
        stop_words: Words without content: "english" for scikit-learn's list and what speech adds to it, or a list.

    Raises:
        ValueError: If an argument is out of range, or no utterance has a text.
    """

    def __init__(
        self, threshold: float = 0.1, max_links: int = 5, stop_words: Literal["english"] | Sequence[str] = "english"
    ) -> None:
        self.threshold, self.max_links = _checked(threshold), _positive(max_links)
        if isinstance(stop_words, str) and stop_words != "english":
            raise ValueError(f"stop_words: expected 'english' or a list of words, got {stop_words!r}")
        self.stop_words = stop_words if isinstance(stop_words, str) else sorted(stop_words)
        self._fitted: tuple[int, dict[str, int]] | None = None

    def fit(self, conversations: Conversations) -> Self:
        """Count in how many training utterances each word occurs.

        Args:
            conversations: N utterances.

        Returns:
            The linker itself.
        """
        self._fitted = _document_counts(self._words(conversations), _training_rows(conversations))
        return self

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        words = self._words(conversations)
        documents, containing = self._fitted or _document_counts(words, _training_rows(conversations))
        terms, tfidf = _counts(words)
        frequency = np.array([containing.get(term, 0) for term in terms])
        tfidf.data *= (np.log((1 + documents) / (1 + frequency)) + 1)[tfidf.indices]
        first, second, cosine = _products(normalize(tfidf), _dialogue_of_each(conversations))
        above = cosine > self.threshold
        return _strongest(first[above], second[above], cosine[above], self.max_links)

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this linker: its options and what was counted."""
        options = {"threshold": self.threshold, "max_links": self.max_links, "stop_words": self.stop_words}
        return {**options, "fitted": self._fitted}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a linker.

        Args:
            state: What :meth:`state` returned.
        """
        linker = cls(state["threshold"], state["max_links"], state["stop_words"])
        linker._fitted = state["fitted"]
        return linker

    def _words(self, conversations: Conversations) -> list[list[str]]:
        """The content words of each utterance."""
        texts = [u.text for u in conversations.utterances]
        if not any(texts):
            raise ValueError("conversations: expected utterances with a text, got none; use EmbeddingLinker")
        english = ENGLISH_STOP_WORDS.union(SPOKEN_STOP_WORDS.split())
        left_out = list(english if self.stop_words == "english" else self.stop_words)
        analyze = CountVectorizer(stop_words=left_out).build_analyzer()
        return [analyze(text) for text in texts]


class EmbeddingLinker:
    """Links utterances whose embeddings are alike, for corpora that come without sentences.

    Embeddings of a language model point in a common direction (Ethayarajh, "How contextual are contextualized word
    representations?", EMNLP 2019), so the mean over the training split (over all utterances where there is none), of
    the conversations that were fitted, else of those to link, is taken off before the cosine. Of IEMOCAP's MiniLM
    embeddings, 4.4 % of the pairs of a dialogue and 0.8 % of random pairs then have a cosine above the default
    threshold.

    Args:
        modality: Features that hold the embeddings; an utterance that lacks them is not linked.
        threshold: Links have a larger cosine than this, in [0, 1).
        max_links: At most so many links an utterance, as in `SharedWordsLinker`.

    Raises:
        ValueError: If a number is out of range, or the conversations (or their training split) lack the modality.
    """

    def __init__(self, modality: str = "text", threshold: float = 0.3, max_links: int = 5) -> None:
        self.modality, self.threshold, self.max_links = modality, _checked(threshold), _positive(max_links)
        self._mean: NDArray[np.float64] | None = None

    def fit(self, conversations: Conversations) -> Self:
        """Take the mean of the training utterances' embeddings.

        Args:
            conversations: N utterances.

        Returns:
            The linker itself.
        """
        x = self._embeddings(conversations)
        rows = _training_rows(conversations) & ~np.isnan(x[:, 0])
        if not rows.any():
            raise ValueError(f"features[{self.modality!r}]: expected some in the training split, got none")
        self._mean = x[rows].mean(axis=0)
        return self

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        if self._mean is None:
            return copy.copy(self).fit(conversations)(conversations)
        x = self._embeddings(conversations)
        if x.shape[1:] != self._mean.shape:
            expected = f"{len(self._mean)} numbers, as in those that were fitted"
            raise ValueError(f"features[{self.modality!r}]: expected {expected}, got {x.shape[1]}")
        x -= self._mean
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        found = []
        for start, stop in itertools.pairwise(np.append(0, conversations.lengths.cumsum())):
            cosine = np.triu(x[start:stop] @ x[start:stop].T, k=1)
            first, second = np.nonzero(cosine > self.threshold)  # NaN is above nothing
            found.append((first + start, second + start, cosine[first, second]))
        first, second, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
        return _strongest(first, second, cosine, self.max_links)

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this linker: its options and the mean."""
        mean = None if self._mean is None else torch.from_numpy(self._mean)
        return {"modality": self.modality, "threshold": self.threshold, "max_links": self.max_links, "mean": mean}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a linker.

        Args:
            state: What :meth:`state` returned.
        """
        linker = cls(state["modality"], state["threshold"], state["max_links"])
        linker._mean = None if state["mean"] is None else state["mean"].numpy()
        return linker

    def _embeddings(self, conversations: Conversations) -> NDArray[np.float64]:
        if self.modality not in conversations.features:
            got = ", ".join(conversations.features) or "none"
            raise ValueError(f"modality: expected features {self.modality!r} in the conversations, got {got}")
        return conversations.features[self.modality].astype(np.float64)


class GivenEventsLinker:
    """Links utterances of a dialogue that share the name of an event, with weight 1.

    Raises:
        ValueError: If no utterance names an event.
    """

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        names = [sorted(set(u.event.split())) for u in conversations.utterances]
        if not any(names):
            raise ValueError("conversations: expected utterances that name an event, got none; use EventLinker")
        first, second, shared = _products(_counts(names)[1], _dialogue_of_each(conversations))
        return _strongest(first, second, np.ones_like(shared), len(names))

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this linker: nothing, it has no options and is not fitted."""
        return {}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a linker.

        Args:
            state: What :meth:`state` returned.
        """
        return cls()


class EventLinker:
    """The default linker: shared words where the conversations have texts, else text embeddings.

    Args:
        words: Linker of conversations with texts; default `SharedWordsLinker()`.
        embeddings: Linker of the others; default `EmbeddingLinker()`.
    """

    def __init__(self, words: Linker | None = None, embeddings: Linker | None = None) -> None:
        self.words = SharedWordsLinker() if words is None else words
        self.embeddings = EmbeddingLinker() if embeddings is None else embeddings

    def fit(self, conversations: Conversations) -> Linker:
        """Fit the linker that these conversations get.

        Args:
            conversations: N utterances.

        Returns:
            That linker alone: what is trained with shared words is not used with embeddings.
        """
        linker = self._choose(conversations)
        fitted: Linker = linker.fit(conversations) if hasattr(linker, "fit") else linker
        return fitted

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        return self._choose(conversations)(conversations)

    def _choose(self, conversations: Conversations) -> Linker:
        return self.words if any(u.text for u in conversations.utterances) else self.embeddings


def _checked(threshold: float) -> float:
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: expected a cosine in [0, 1), got {threshold}")
    return threshold


def _positive(max_links: int) -> int:
    if max_links < 1:
        raise ValueError(f"max_links: expected at least 1, got {max_links}")
    return max_links


def _dialogue_of_each(conversations: Conversations) -> NDArray[np.int64]:
    lengths = conversations.lengths
    return np.repeat(np.arange(len(lengths)), lengths)


def _training_rows(conversations: Conversations) -> NDArray[np.bool_]:
    """``[N]`` utterances of the training split, or all where there is none."""
    training = np.array([u.split == "train" for u in conversations.utterances])
    return training if training.any() else ~training


def _document_counts(documents: list[list[str]], rows: NDArray[np.bool_]) -> tuple[int, dict[str, int]]:
    """How many of the chosen documents there are, and how many of them hold each term."""
    chosen = [set(document) for document, row in zip(documents, rows, strict=True) if row]
    return len(chosen), dict(Counter(term for document in chosen for term in document))


def _counts(documents: list[list[str]]) -> tuple[list[str], sparse.csr_array]:
    """The V terms, and how often each document holds each, ``[N, V]``; a column without a term where there is none."""
    terms, column = np.unique([term for document in documents for term in document], return_inverse=True)
    rows = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    shape = (len(documents), max(len(terms), 1))
    return terms.tolist(), sparse.coo_array((np.ones(len(rows)), (rows, column)), shape).tocsr()


def _products(
    x: sparse.csr_array, dialogue: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Products of the rows of x that have a column in common and lie in one dialogue: (first, second > first, product).

    Each dialogue gets columns of its own, which makes one sparse product for all dialogues block diagonal.
    """
    x = x.tocoo()
    _, column = np.unique(dialogue[x.row] * x.shape[1] + x.col, return_inverse=True)
    apart = sparse.csr_array((x.data, (x.row, column)), (x.shape[0], len(column)))
    product = sparse.triu(apart @ apart.T, k=1).tocoo()
    return product.row.astype(np.int64), product.col.astype(np.int64), product.data


def _strongest(
    first: NDArray[np.int64], second: NDArray[np.int64], weight: NDArray[np.float64], max_links: int
) -> DialogueLinks:
    """Both directions of the links that are among the strongest of both ends."""
    source, target = np.concatenate([second, first]), np.concatenate([first, second])
    weight = np.tile(weight.clip(max=1).astype(np.float32), 2)  # equal ones must not differ by rounding
    pair = np.tile(np.arange(len(first)), 2)
    order = np.lexsort((source, np.abs(source - target), -weight, target))
    starts = np.searchsorted(target[order], target[order])
    chosen = pair[order][np.arange(len(order)) - starts < max_links]
    kept = np.bincount(chosen, minlength=len(first))[pair] == 2
    source, target, weight = source[kept], target[kept], weight[kept]
    order = np.lexsort((source, target))
    edge_index = torch.from_numpy(np.stack([source[order], target[order]]))
    return DialogueLinks(edge_index, torch.from_numpy(weight[order]))
