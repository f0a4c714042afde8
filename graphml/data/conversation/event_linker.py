"""Latent event relations: links between utterances of a dialogue that speak of the same thing.

DER-GCN (Ai et al., TNNLS 2024, arXiv 2312.10579) joins utterances that belong to the same event, but does not publish
how it finds events. What stands here is a choice of this library: an utterance is linked to those that share its rare
words, or whose embeddings are alike, anywhere in the dialogue. A linker is any callable of the form of `Linker`.
"""

import itertools
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, TfidfTransformer

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
    there is none; a word that is not in the training split counts as the rarest.

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
        english = ENGLISH_STOP_WORDS.union(SPOKEN_STOP_WORDS.split())
        self.stop_words = english if stop_words == "english" else frozenset(stop_words)

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        texts = [u.text for u in conversations.utterances]
        if not any(texts):
            raise ValueError("conversations: expected utterances with a text, got none; use EmbeddingLinker")
        analyze = CountVectorizer(stop_words=list(self.stop_words)).build_analyzer()
        counts = _counts([analyze(text) for text in texts])
        tfidf = TfidfTransformer().fit(counts[_training_rows(conversations)]).transform(counts)
        first, second, cosine = _products(tfidf, _dialogue_of_each(conversations))
        above = cosine > self.threshold
        return _strongest(first[above], second[above], cosine[above], self.max_links)


class EmbeddingLinker:
    """Links utterances whose embeddings are alike, for corpora that come without sentences.

    Embeddings of a language model point in a common direction (Ethayarajh, "How contextual are contextualized word
    representations?", EMNLP 2019), so the mean over the training split (over all utterances where there is none) is
    taken off before the cosine. Of IEMOCAP's MiniLM embeddings, 4.4 % of the pairs of a dialogue and 0.8 % of random
    pairs then have a cosine above the default threshold.

    Args:
        modality: Features that hold the embeddings; an utterance that lacks them is not linked.
        threshold: Links have a larger cosine than this, in [0, 1).
        max_links: At most so many links an utterance, as in `SharedWordsLinker`.

    Raises:
        ValueError: If a number is out of range, or the conversations (or their training split) lack the modality.
    """

    def __init__(self, modality: str = "text", threshold: float = 0.3, max_links: int = 5) -> None:
        self.modality, self.threshold, self.max_links = modality, _checked(threshold), _positive(max_links)

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        if self.modality not in conversations.features:
            got = ", ".join(conversations.features) or "none"
            raise ValueError(f"modality: expected features {self.modality!r} in the conversations, got {got}")
        x = conversations.features[self.modality].astype(np.float64)
        rows = _training_rows(conversations) & ~np.isnan(x[:, 0])
        if not rows.any():
            raise ValueError(f"features[{self.modality!r}]: expected some in the training split, got none")
        x -= x[rows].mean(axis=0)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        found = []
        for start, stop in itertools.pairwise(np.append(0, conversations.lengths.cumsum())):
            cosine = np.triu(x[start:stop] @ x[start:stop].T, k=1)
            first, second = np.nonzero(cosine > self.threshold)  # NaN is above nothing
            found.append((first + start, second + start, cosine[first, second]))
        first, second, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
        return _strongest(first, second, cosine, self.max_links)


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
        first, second, shared = _products(_counts(names), _dialogue_of_each(conversations))
        return _strongest(first, second, np.ones_like(shared), len(names))


class EventLinker:
    """The default linker: shared words where the conversations have texts, else text embeddings.

    Args:
        words: Linker of conversations with texts; default `SharedWordsLinker()`.
        embeddings: Linker of the others; default `EmbeddingLinker()`.
    """

    def __init__(self, words: Linker | None = None, embeddings: Linker | None = None) -> None:
        self.words = SharedWordsLinker() if words is None else words
        self.embeddings = EmbeddingLinker() if embeddings is None else embeddings

    def __call__(self, conversations: Conversations) -> DialogueLinks:
        """Find the links (see `Linker`)."""
        linker = self.words if any(u.text for u in conversations.utterances) else self.embeddings
        return linker(conversations)


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


def _counts(documents: list[list[str]]) -> sparse.csr_array:
    """How often each document holds each term, ``[N, V]``; also where there is none."""
    terms, column = np.unique([term for document in documents for term in document], return_inverse=True)
    rows = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    return sparse.coo_array((np.ones(len(rows)), (rows, column)), (len(documents), max(len(terms), 1))).tocsr()


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
