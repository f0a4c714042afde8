"""Do event links join emotions with their causes? The linkers against the gold causes of RECCON (DailyDialog).

``python experiments/emotion/reccon.py --data DIR`` with the folder of ``reccon_dailydialog_*.json``. A gold pair is an
utterance and another that caused its emotion. Causes lie close by, and any two neighbours are a gold pair more often
than distant utterances; so precision is compared with that of random pairs at the same distances ("chance"), and lift
is their ratio, with its standard deviation over resampled dialogues. "Among caused" counts only pairs whose later
utterance has a cause in another utterance, which leaves the question *which* utterance the cause is. The embeddings
are a latent semantic analysis of the training split's words (200 dimensions), for want of a language model.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from graphml.data.conversation import Conversations, EmbeddingLinker, Linker, SharedWordsLinker, read_reccon
from graphml.ops import DialogueLinks

Pairs = NDArray[np.int64]


def previous_utterance(conversations: Conversations) -> DialogueLinks:
    """Link each utterance with the one before it."""
    second = np.flatnonzero(position_of_each(conversations))
    edges = torch.from_numpy(np.stack([second - 1, second]))
    return DialogueLinks(torch.cat([edges, edges.flip(0)], 1), torch.ones(2 * len(second)))


def position_of_each(conversations: Conversations) -> Pairs:
    """Place of each utterance in its dialogue, from 0."""
    return np.concatenate([np.arange(length) for length in conversations.lengths])


def embed(conversations: Conversations) -> Conversations:
    """Latent semantic analysis of the words, fitted on the training split."""
    texts = [u.text for u in conversations.utterances]
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), TruncatedSVD(200, random_state=0))
    model.fit([u.text for u in conversations.utterances if u.split == "train"])
    return conversations.with_features({"text": model.transform(texts).astype(np.float32)})


class Candidates:
    """All pairs of utterances of a dialogue, the earlier first, and which of them are gold.

    Attributes:
        key: ``[P]`` one number for each pair.
        distance: ``[P]`` utterances from one to the other.
        dialogue: ``[P]`` dialogue of each pair.
        gold: ``[P]`` whether one caused the other's emotion.
        caused: ``[P]`` whether the later has a cause in another utterance.
    """

    def __init__(self, conversations: Conversations) -> None:
        lengths = conversations.lengths
        offsets = np.append(0, lengths.cumsum())
        pairs = [np.stack(np.triu_indices(n, 1)) + start for n, start in zip(lengths, offsets[:-1], strict=True)]
        first, second = np.concatenate(pairs, axis=1)
        self.size = len(conversations.utterances)
        self.key, self.distance = first * self.size + second, second - first
        self.dialogue = np.repeat(np.arange(len(lengths)), [part.shape[1] for part in pairs])
        start = np.repeat(offsets[:-1], lengths)
        causes = [
            (start[row] + int(name[1:]) - 1, row)  # event e<number> is caused by the utterance of that number
            for row, u in enumerate(conversations.utterances)
            for name in u.event.split()
        ]
        self.gold = np.isin(self.key, [min(pair) * self.size + max(pair) for pair in causes])
        self.caused = np.isin(second, second[self.gold])

    def linked(self, links: DialogueLinks) -> NDArray[np.bool_]:
        """``[P]`` whether each pair is linked."""
        first, second = links.edge_index.numpy()
        return np.isin(self.key, first * self.size + second)

    def agreement(self, linked: NDArray[np.bool_], among: NDArray[np.bool_]) -> tuple[float, float, float, float]:
        """Precision, chance, lift and the lift's standard deviation over resampled dialogues."""
        rate = np.bincount(self.distance[among], self.gold[among]) / np.bincount(self.distance[among]).clip(1)
        pairs = linked & among
        expected = np.bincount(self.dialogue[pairs], rate[self.distance[pairs]], self.dialogue[-1] + 1)
        found = np.bincount(self.dialogue[pairs], self.gold[pairs], self.dialogue[-1] + 1)
        sample = np.random.default_rng(0).integers(0, len(found), (1000, len(found)))
        deviation = (found[sample].sum(1) / expected[sample].sum(1)).std()
        total = pairs.sum()
        return found.sum() / total, expected.sum() / total, found.sum() / expected.sum(), deviation


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of reccon_dailydialog_{train,valid,test}.json")
    conversations = embed(read_reccon(parser.parse_args().data))
    candidates = Candidates(conversations)
    gold, caused = candidates.gold.sum(), candidates.caused.sum()
    print(f"{len(candidates.key):,} pairs of utterances, {gold:,} of them gold; {caused:,} with a caused later one\n")
    linkers: dict[str, Linker] = {"previous utterance": previous_utterance}
    linkers |= {f"shared words > {t}": SharedWordsLinker(threshold=t) for t in (0.0, 0.1, 0.2, 0.3)}
    linkers |= {f"embedding > {t}": EmbeddingLinker(threshold=t) for t in (0.1, 0.2, 0.3, 0.4)}
    print(
        "| linker | links an utterance | recall | precision | chance | lift | among caused: precision | chance | lift |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, linker in linkers.items():
        linked = candidates.linked(linker(conversations))
        cells = [name, f"{2 * linked.sum() / candidates.size:.2f}", f"{100 * linked[candidates.gold].mean():.1f}"]
        for among in (np.ones_like(linked), candidates.caused):
            precision, chance, lift, deviation = candidates.agreement(linked, among)
            cells += [f"{100 * precision:.1f}", f"{100 * chance:.1f}", f"{lift:.2f} ± {deviation:.2f}"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
